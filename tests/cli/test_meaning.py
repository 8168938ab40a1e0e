"""What patients read of a consent's window of years."""

from medfed.cli.meaning import NO_LAST_YEAR, Details, details_lines

NO_FORM = bytes(28)


def test_one_bound_speaks_of_one_year() -> None:
    """With a first or a last year alone there are no two years to include."""
    assert details_lines(Details(2010, NO_LAST_YEAR, NO_FORM)) == [
        "Only data from 2010 are used, that year included."
    ]
    assert details_lines(Details(0, 2015, NO_FORM)) == ["Only data until 2015 are used, that year included."]
    assert details_lines(Details(2010, 2015, NO_FORM)) == [
        "Only data from 2010 until 2015 are used, both years included."
    ]
    assert details_lines(Details(0, NO_LAST_YEAR, NO_FORM)) == []
