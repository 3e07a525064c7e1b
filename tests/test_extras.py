import pytest

from kinetune.errors import MissingExtraError
from kinetune.extras import extra


def test_a_missing_package_is_named_with_the_extra_that_provides_it():
    with pytest.raises(MissingExtraError, match=r"nonesuch.*kinetune\[film\]"), extra("film"):
        import nonesuch_package  # noqa: F401


def test_other_errors_pass_through():
    with pytest.raises(ZeroDivisionError), extra("film"):
        1 / 0  # noqa: B018
