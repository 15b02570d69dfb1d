"""A fit as one page: what was fitted to what, whether to trust it, what sets its components apart, pictures and tables.

Estimators have ``report``. What a page is made of is a ``Subject``, so that nothing here knows one model from another.
"""
