"""Laws of declared parameters that a family and a model share: coordinates, values given back, values held, labels permuted."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from emkit.core.errors import CollapseError, ParameterError
from emkit.testing.cases import Case, Law
from emkit.testing.compare import close, like, require, same_bits


def parameters_pack_and_unpack(case: Case) -> None:
    """``unpack`` undoes ``pack``, and ``pack`` undoes ``unpack``; the vector has a number for each free parameter."""
    subject, rng = case.subject, case.rng()
    null = subject.null(case.k, case.source.n_features)
    anywhere = subject.unpack(rng.standard_normal(subject.n_free(null)), null)
    for params in (case.params, case.other, anywhere):
        vector = subject.pack(params)
        free = subject.n_free(params)
        require(vector.ndim == 1 and vector.dtype == np.float64, f"pack gave {vector.dtype} of shape {vector.shape}")
        require(len(vector) == free, f"pack gave {len(vector)} numbers for n_free = {free} free parameters")
        like("parameters after pack and unpack", subject.unpack(vector, case.params), params)
        if len(vector) and np.isfinite(vector).all() and np.abs(vector).max() < 600:
            nearby = vector + 0.01 * rng.standard_normal(len(vector))
            again = subject.pack(subject.unpack(nearby, case.params))
            close("a vector after unpack and pack", again, nearby, 1.0 + np.abs(nearby), 1e-7)


def shown_values_can_be_given_back(case: Case) -> bool | None:
    """Parameters as users see them pass the checks of values that users give, and are the same parameters."""
    subject = case.subject
    if names_clash(subject):
        return False
    for params in (case.params, case.other):
        shown = subject.shown(params)
        require(set(shown) <= set(subject.all_names), f"shown are {sorted(shown)}, names are {sorted(subject.all_names)}")
        like("parameters shown and given back", subject.unshown(shown, case.k, case.source.n_features), params)
    return None


def what_runs_away_is_shown(case: Case) -> None:
    """What ``away`` says is of parameters that users see, in their shapes: 1, -1 or 0 for each entry."""
    for params in (case.params, case.other):
        shown = case.subject.shown(params)
        for name, ended in case.subject.away(params).items():
            require(name in shown, f"away names {name!r}; what users see is {sorted(shown)}")
            shape = np.shape(shown[name])
            require(np.shape(ended) == shape, f"away has {name!r} in the shape {np.shape(ended)}, users see it in {shape}")
            values = np.unique(ended).tolist()
            require(set(values) <= {-1.0, 0.0, 1.0}, f"away has {values} for {name!r}; 1, -1 and 0 mean something")


def fixed_values_stay(case: Case) -> None:
    """What is fixed, whole or in part, keeps its value from the start on and is not free; the objective still never falls."""
    for what, params in (("the start", case.params), ("an M-step", case.m_step(case.all()[0], case.params))):
        for subject, own in owners(case.subject, params):
            same_bits(f"parameters after {what}, with what is held put back", subject.put_back(own), own)
    whole: dict[str, np.ndarray] = {}
    for name, value, part in _some_values(case):
        if part and name not in whole:
            continue  # what follows from other parameters cannot be fixed, such as the start of a stationary chain
        try:
            fixed = case.configured({name: value})
        except ParameterError as error:  # part of a covariance matrix, too, cannot be fixed
            require(
                error.parameter is not None,
                f"fixing {name!r} at a value of its own was refused without naming a parameter: {error}",
            )
            continue
        if not part:
            whole[name] = value
        _stays(fixed, name, value, case.subject.n_free(case.params))
    if len(whole) == len(case.subject.all_names):
        everything = case.configured(whole)
        free = everything.subject.n_free(everything.params)
        require(free == 0, f"with everything fixed there are still {free} free parameters")


def _some_values(case: Case) -> Iterator[tuple[str, np.ndarray, bool]]:
    """Names with values to fix them at, and whether only in part: all, the first along the first axis, the first along the last."""
    subject = case.subject
    if names_clash(subject):
        return
    shown = subject.shown(case.params)
    for name in [name for owner, _ in owners(subject, case.params) for name in owner.names if name not in owner.fixed]:
        if name not in shown:
            continue
        yield name, shown[name], False
        for axis in {0, shown[name].ndim - 1}:
            if shown[name].ndim and shown[name].shape[axis] > 1:
                value = np.full_like(shown[name], np.nan)
                first = tuple(slice(1) if i == axis else slice(None) for i in range(value.ndim))
                value[first] = shown[name][first]
                yield name, value, True


def _stays(case: Case, name: str, value: np.ndarray, free_before: int) -> None:
    """Follow two EM iterations."""
    subject, params = case.subject, case.params
    free = subject.n_free(params)
    require(free <= free_before, f"with {name!r} fixed there are {free} free parameters, without {free_before}")
    given = ~np.isnan(value)
    objective = case.objective(params)
    for i in range(3):
        found = subject.shown(params)[name]
        close(f"{name}, fixed, after {i} iterations", found[given], value[given], np.abs(value[given]), 1e-12)
        vector = subject.pack(params)
        require(len(vector) == free, f"with {name!r} fixed, pack gave {len(vector)} numbers for n_free = {free}")
        like(f"parameters with {name!r} fixed, after pack and unpack", subject.unpack(vector, params), params)
        if i == 2:
            return
        try:
            params = case.m_step(case.at(params).all()[0], params)
        except CollapseError:
            return
        last, objective = objective, case.objective(params)
        allowed = 1e-11 * (abs(last) + case.units) * (1e6 if case.narrow else 1.0)
        require(
            objective >= last - allowed,
            f"with {name!r} fixed, iteration {i + 1} took the objective from {last:.12g} to {objective:.12g}",
        )


def configuration_follows_labels(case: Case) -> bool | None:
    """Permuted components under the permuted configuration have the same log prior, as many free parameters, held values moved."""
    for order, subject, permuted in relabelled(case):
        close("log prior of permuted components", subject.log_prior(permuted), case.subject.log_prior(case.params),
              1.0 + abs(case.subject.log_prior(case.params)), 1e-10)  # fmt: skip
        free, before = subject.n_free(permuted), case.subject.n_free(case.params)
        require(free == before, f"{free} free parameters after permuting components, {before} before")
        like("held values put back into permuted components", subject.put_back(permuted), permuted)
        like("permuted components after pack and unpack", subject.unpack(subject.pack(permuted), permuted), permuted)
        like("components permuted there and back", subject.permute(permuted, np.argsort(order)), case.params)
    return None if relabelled(case) else False


def relabelled(case: Case) -> list[tuple[np.ndarray, Any, Any]]:
    """Orders, with configuration and parameters permuted; none where components cannot be relabelled, as tied ones."""
    k, out = case.k, []
    for order in (np.roll(np.arange(k), 1), np.append(np.roll(np.arange(k - 1), 1), k - 1)):
        if k == 1 or np.array_equal(order, np.arange(k)):
            continue
        try:
            out.append((order, case.subject.permuted(order), case.subject.permute(case.params, order)))
        except ParameterError:
            continue
    return out


def owners(subject: Any, params: Any) -> list[tuple[Any, Any]]:
    """The subject with its parameters, and its parts with theirs."""
    return [(subject, params), *((subject.part(child), child.of(params)) for child in subject.children)]


def names_clash(subject: Any) -> bool:
    """Whether a part has a parameter of the owner's name: then a name does not say which is meant."""
    return any(
        set(subject.names) & set(subject.part(child).all_names) or names_clash(subject.part(child)) for child in subject.children
    )


LAWS: tuple[Law, ...] = (
    parameters_pack_and_unpack,
    shown_values_can_be_given_back,
    what_runs_away_is_shown,
    fixed_values_stay,
    configuration_follows_labels,
)
