"""Cells of a CSV that people will open in a spreadsheet."""


def inert(text: str) -> str:
    """A cell that no spreadsheet takes for a formula.

    Source: https://owasp.org/www-community/attacks/CSV_Injection
    """
    is_number = text.lstrip("+-").replace(".", "", 1).isdigit()
    is_risky = text.startswith(("=", "+", "-", "@", "\t", "\r")) and not is_number
    return f"'{text}" if is_risky else text
