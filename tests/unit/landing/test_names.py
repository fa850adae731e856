"""Names in free text, by roles, lists and capitals; and words, places and shops, which stay."""

import pytest

from cdi.landing.names import mask_names


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        # common given names stand alone
        ("PLS RING KAREN BACK, SPOKE TO PAUL", "PLS RING [name] BACK, SPOKE TO [name]"),
        ("HER SON AIDEN, LACEY-MAE AND OLLIE'S MUM", "HER SON [name], [name] AND [name] MUM"),
        ("told Mark, and jack's dad and Jack's dad", "told [name], and jack's dad and [name] dad"),
        # in small letters
        ("caller is tracy boothroyd, ex dave", "caller is [name], ex [name]"),
        (
            "ip-patel and inft-khan, concern for alfie",
            "ip-[name] and inft-[name], concern for [name]",
        ),
        ("caller is may ashgarthe", "caller is [name]"),
        ("miss jones and ms. patel rang pc smith", "miss [name] and ms. [name] rang pc [name]"),
        # given names that are words, and somebody speaks
        ("MARK STATES THAT ROSE SAYS SO", "[name] STATES THAT [name] SAYS SO"),
        # initials, surnames first, surnames that are words
        ("C. BOUDREAUX VS S. BOUDREAUX", "C. [name] VS S. [name]"),
        ("XIONG, LIAM HIT VANCE, OPAL", "[name], [name] HIT [name], [name]"),
        ("SUSP GREEN, WILLIAM LEFT", "SUSP [name], [name] LEFT"),
        (
            "PC LAW AND WPC DAY SPOKE TO MRS BLENKINSOP",
            "PC [name] AND WPC [name] SPOKE TO MRS [name]",
        ),
        ("CODY RAY STOUT, CRAIG ASHGARTHE JNR", "[name], [name]"),
        ("OFFICER 1187 HOLROYD ATTENDED", "OFFICER 1187 [name] ATTENDED"),
        # roles
        ("ROOMMATE TERRELL, GRANDSON KENDRICK", "ROOMMATE [name], GRANDSON [name]"),
        ("IP-JOHNSON, S/O HARGRAVE, B/M DEVONTE", "IP-[name], S/O [name], B/M [name]"),
        ('POI SHANE "DAZZA" DARROW, LILY-ROSE', 'POI [name] "[name]" [name], [name]'),
        ("PARTIES ID'D AS JONES, DARNELL", "PARTIES ID'D AS [name], [name]"),
        ("IP HOLLY MARSH WORKS HERE", "IP [name] WORKS HERE"),
        ("POI DESHPANDE, DP ADEBAYO", "POI [name], DP [name]"),
        # nicknames in quotes
        (
            'SUSP "SPUD", cousin "Peaches", aka "Ghost"',
            'SUSP "[name]", cousin "[name]", aka "[name]"',
        ),
        # rows of words with capitals
        ("Glenda Faye Hooper and Yusuf bin Ali", "[name] and [name]"),
        ("Pushed Alda Ashgarthe over", "Pushed [name] over"),
        ("Robert E. Ashgarthe left, Abd al-Rahman Haddad too", "[name] left, [name] too"),
        (
            "Caller Jane Fields hit Sean WANTED ON WARRANT",
            "Caller [name] hit [name] WANTED ON WARRANT",
        ),
        ("7 HOLLY CT, U4/19 BANKSIA CRES", "[address], [address]"),
    ],
)
def test_names_are_masked(text: str, masked: str) -> None:
    assert mask_names(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        # shops, makes, institutions, streets, towns
        "Theft from Tesco Express, Best Buy and Wells Fargo",
        "Spoke to Sexual Assault Dean, took Garmin GPS",
        "RALPH LAUREN SHIRT AND MICHAEL KORS BAG STOLEN",
        "Stolen Honda Civic, a Land Cruiser and a Makita drill",
        "Near Ashgarthe Primary School and Hope Street Dental Practice",
        "AT LUTHERAN CHURCH, OUTSIDE WENDY'S, AT ST JAMES'S",
        "by Mill Lane, 57th & Ellis, 5700 S. Maryland",
        "seen in Gary, from Charlotte, GOING TO BRADFORD",
        # words
        "Lost Property, Criminal Damage, Golden Dragon Takeaway",
        "YOUNG MALE, PC WHITE SHIRT, A GREEN COAT, MARK ON ARM",
        'MALE SHOUTED "HELP" AND LEFT',
        "oak dr burns to face, officer, burns to hand, pc young male",
        "FARMER SAYS THE VAN IS GONE, VAN REPORTED STOLEN",
        "jimmy a car door, will call back, may need ambo",
        "A CLINT OF THE SOLICITOR'S, INFT'S VAN, CALLER'S GATEPOST",
        # mistyped in haste
        "INFT ASSUALTED BY MALE, NERDS SURGERY, MALE WNET OFF",
    ],
)
def test_words_places_and_shops_stay(text: str) -> None:
    assert mask_names(text) == text
