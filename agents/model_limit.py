"""What is said of a model beyond ``worker.models_max``, by each role that keeps a state for every model."""

from __future__ import annotations

from schemas.codec import MalformedError

__all__ = ["too_many_models"]


def too_many_models(models_max: int) -> MalformedError:
    """Why a message of one model more is not taken.

    >>> print(too_many_models(2))
    2 models are watched already (worker.models_max); this worker takes no new one that the settings do not name ([models.NAME]) - at `$.model`
    """  # noqa: E501
    return MalformedError(
        f"{models_max} models are watched already (worker.models_max); this worker takes no new one that"
        " the settings do not name ([models.NAME]) - at `$.model`"
    )
