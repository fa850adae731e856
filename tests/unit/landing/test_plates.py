"""Number plates in free text, and what looks like one and must stay."""

import pytest

from cdi.landing.plates import mask_plates


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        # Great Britain, with any separator
        ("NISSAN JUKE KP 17 OWX AND VK66  HJD", "NISSAN JUKE [plate] AND [plate]"),
        ("van KO19-KUR, and kr 14 gfo", "van [plate], and [plate]"),
        ("A123 BCD, ABC 123D, CB12 CAR", "[plate], [plate], [plate]"),
        # a word of the control room in front, so a vehicle must stand beside
        ("PC 14 HRT ATTENDING", "PC 14 HRT ATTENDING"),
        ("BLUE ASTRA PC 14 HRT LEFT", "BLUE ASTRA [plate] LEFT"),
        # a personal one, beside a vehicle alone
        ("VEH O/S THE BELL M4X WLL", "VEH O/S THE BELL [plate]"),
        ("ROOM M4X WLL", "ROOM M4X WLL"),
        # American states
        ("SILVER LEXUS NY HGT4408", "SILVER LEXUS NY [plate]"),
        ("OHIO JDE 20 91, TX KLM4561", "OHIO [plate], TX [plate]"),
        ("SILVER HONDA LA 481 BXT", "SILVER HONDA [plate]"),
        ("NC SEMI PR-58826, jeep 7xyz123", "NC SEMI [plate], jeep [plate]"),
        # Ireland, India, Germany
        ("seen 151-D-40021", "seen [plate]"),
        ("auto kl07cx2291, MH-12 AB 0416", "auto [plate], [plate]"),
        ("am M-AB 4411, Auto B-X 12", "am [plate], Auto [plate]"),
    ],
)
def test_plates_are_masked(text: str, masked: str) -> None:
    assert mask_plates(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "RING IN 10 MIN, SEEN AT 12 FOR 5 MINS, AT12 FOR TEA",
        "ON M62 AND A64 AND I-95, TRUCK ON I 4000",
        "F150 WITH A 9MM, 10-98, S47, UNIT 12 CODE 4",
        "VAN 2019 RED, CAR AT 1530 HRS, TRUCK 2 DR, VEH 4 UP, CAR 1500HRS",
        "STOLEN HONDA CBR600RR, FORD F-250SD, BMW X5 AND VOLVO XC90",
        "VEH IS BLU 2014 HONDA, SIL 2010 FORD",
        "CAR STOLEN CASE AB12345, VEH CALL A1234567, TRUCK UNIT K12345",
        "CAR NMP-20170401-0007, 12170020838, LOG 7 OF 01/04/2017",
        "WHITE MALE 5FT10, 16YOA, BLACK HOODIE",
        "CAR AT 15 AV NE / NE 50 ST, VAN ON NE 125 ST",
        "car left / CPD arrest / JB123456",
        "CO-OP 24 HRS, at 10 am 1530",
        "car. ab1234x stays, as a sentence ended",
    ],
)
def test_numbers_of_other_things_stay(text: str) -> None:
    """Of times, roads, models, weapons, units, calls and crimes: linkage reads some of them."""
    assert mask_plates(text) == text
