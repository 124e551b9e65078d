"""DRIFT: blocks and corrections in; references, alerts, tasks and reports out."""
