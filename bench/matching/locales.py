"""The words of the benchmark's clinics: English, German and Polish.

The common names stand here, in the order of their frequency; the less common ones come from the ``faker`` package and
from the syllables that family names of the language are made of, the pet names from the licence register beside the
project where it is present, else from the names that ship. ``part`` picks one of two disjoint halves of everything
that is less common (``train``, ``test``), or both (``all``).
"""

from __future__ import annotations

import csv
import importlib
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from vetbridge.testing import names
from vetbridge.testing.population import PhonePlan, Ranked, Words

PARTS = ("train", "test", "all")
LOCALES = ("en", "de", "pl")

_PETS = Path(__file__).resolve().parents[3] / "shared" / "data" / "pets"
_FAMILY_HEAD = 60
_GIVEN_HEAD = 40
_PET_HEAD = 80
_RARE_BREEDS = 0.12
"""Dogs of all the breeds of the international list, to each of a common breed."""


def words_for(locale: str, part: str = "all") -> Words:
    """The words of a language. Raises ``ValueError`` for a locale or a part that is not there."""
    if locale not in LOCALES or part not in PARTS:
        raise ValueError(f"locale is one of {', '.join(LOCALES)}; part is one of {', '.join(PARTS)}")
    return {"en": _english, "de": _german, "pl": _polish}[locale](part)


def _words(text: str) -> tuple[str, ...]:
    return tuple(word.strip() for word in text.replace("\n", ",").split(",") if word.strip())


def _pairs(text: str) -> dict[str, tuple[str, ...]]:
    """``Name: form form, Name: form`` as a table."""
    found = {}
    for entry in text.split(","):
        name, _, forms = entry.partition(":")
        found[name.strip()] = tuple(forms.split())
    return found


def _half(values: Iterable[str], head: int, part: str) -> list[str]:
    """The first ``head`` values and this part of the others, each once, in their order."""
    unique = list(dict.fromkeys(values))
    wanted = {"train": 0, "test": 1}.get(part)
    kept = [value for value in unique[head:] if wanted is None or zlib.crc32(value.lower().encode()) % 2 == wanted]
    return unique[:head] + kept


def _spread(values: Sequence[str]) -> list[str]:
    """The values in an order of their own, so that rare names do not begin with the same letter."""
    return sorted(values, key=lambda value: zlib.crc32(value.encode()))


def _faker(kind: str, locale: str) -> Any:
    return importlib.import_module(f"faker.providers.{kind}.{locale}").Provider


def _compound(firsts: str, seconds: str) -> list[str]:
    return _spread([first + second for first in _words(firsts) for second in _words(seconds)])


def _pet_names(local: str, part: str, share: float) -> dict[str, Ranked[str]]:
    """Pet names by species: the language's own with this share, the others from the register."""
    register = _register()
    found = {}
    for species, counts in register.items():
        ours = _half(_words(local), _PET_HEAD, part)
        theirs = _half(sorted(counts, key=lambda name: (-counts[name], name)), _PET_HEAD, part)
        total = sum(counts[name] for name in theirs)
        ranks = [1 / (rank + 12) for rank in range(len(ours))]
        weights: dict[str, float] = {}
        for name, rank in zip(ours, ranks, strict=True):
            weights[name] = share * rank / sum(ranks)
        for name in theirs:
            weights[name] = weights.get(name, 0) + (1 - share) * counts[name] / total
        found[species] = Ranked(tuple(weights), tuple(weights.values()))
    return found


def _register() -> dict[str, dict[str, float]]:
    """Pet names with their counts, by VetBridge's species word."""
    path = _PETS / "seattle_names.csv"
    counts: dict[str, dict[str, float]] = {"dog": {}, "cat": {}}
    if path.is_file():
        with path.open(encoding="utf-8", newline="") as lines:
            for row in csv.DictReader(lines):
                table = counts.get(row["species"].lower())
                name = " ".join(row["name"].split())
                if table is not None and 1 < len(name) <= 30:
                    table[name] = table.get(name, 0) + float(row["count"])
    if not counts["dog"] or not counts["cat"]:
        fallback = {name: 1 / (rank + 15) for rank, name in enumerate(names.PET_NAMES)}
        counts = {"dog": fallback, "cat": fallback}
    return {**counts, "rabbit": counts["cat"], "other": counts["cat"]}


def _fci(language: str) -> list[tuple[str, ...]]:
    """Breeds of the international list with both names, this language's first."""
    path = _PETS / "fci_breeds_en_de.csv"
    if not path.is_file():
        return []
    with path.open(encoding="utf-8", newline="") as lines:
        rows = [(row["name_en"], row["name_de"]) for row in csv.DictReader(lines)]
    return [((german, english) if language == "de" else (english, german)) for english, german in rows]


def _breeds(language: str) -> dict[str, Ranked[tuple[str, ...]]]:
    place = LOCALES.index(language)

    def spellings(text: str) -> list[tuple[str, ...]]:
        found = []
        for line in text.strip().splitlines():
            full, _, short = line.partition("|")
            fulls = full.split("/")
            everywhere, *local = short.split(";")
            ours = _words(f"{everywhere},{local[place - 1]}" if place and local else everywhere)
            others = [] if language == "en" else [fulls[0]]
            found.append(tuple(dict.fromkeys([fulls[place], *ours, *others])))
        return found

    dogs, rare = spellings(_DOG_BREEDS), _fci(language)
    common = [1 / (rank + 6) for rank in range(len(dogs))]
    return {
        "dog": Ranked([*dogs, *rare], [*common, *[_RARE_BREEDS * sum(common) / max(1, len(rare))] * len(rare)]),
        "cat": Ranked.by_rank(spellings(_CAT_BREEDS), 0.8),
        "rabbit": Ranked.by_rank(spellings(_RABBIT_BREEDS), 2),
        "other": Ranked.by_rank(spellings(_OTHER_BREEDS), 2),
    }


# English / German / Polish | other spellings; those of German clinics only; those of Polish clinics only
_DOG_BREEDS = """
Mixed Breed/Mischling/Mieszaniec|Crossbreed, mix, X, Mongrel; Mischlingshund, Mix; kundelek, mix, wielorasowy
Labrador Retriever/Labrador Retriever/Labrador Retriever|Labrador, Lab, Retriever (Labrador)
French Bulldog/Französische Bulldogge/Buldog francuski|Frenchie, FB, Frenchbulldog
German Shepherd Dog/Deutscher Schäferhund/Owczarek niemiecki|GSD, Alsatian; DSH, Schäferhund; ON, wilczur
Cockapoo/Cockapoo/Cockapoo|Cocker x Poodle, Cockerpoo
Chihuahua/Chihuahua/Chihuahua|Chi, Chiwawa
Golden Retriever/Golden Retriever/Golden Retriever|Goldie, GR, Golden
Jack Russell Terrier/Jack Russell Terrier/Jack Russell Terrier|JRT, Jack Russell, Jack Russel
Border Collie/Border Collie/Border Collie|BC, Collie
Yorkshire Terrier/Yorkshire Terrier/Yorkshire Terrier|Yorkie, York, Yorki
Dachshund/Dackel/Jamnik|Sausage dog, Dachshund (Min Smooth); Teckel, Rauhaardackel; jamnik
English Cocker Spaniel/English Cocker Spaniel/Cocker spaniel angielski|Cocker, Cocker Spaniel, ECS
Miniature Schnauzer/Zwergschnauzer/Sznaucer miniaturowy|Mini Schnauzer, Schnauzer
Staffordshire Bull Terrier/Staffordshire Bullterrier/Staffordshire bull terrier|Staffie, SBT, Staffy
Shih Tzu/Shih Tzu/Shih Tzu|Shitzu, Shi-tzu
Pug/Mops/Mops|
Beagle/Beagle/Beagle|
Poodle/Pudel/Pudel|Toy Poodle, Mini Poodle
Australian Shepherd/Australian Shepherd/Owczarek australijski|Aussie, Australian Shepard
Boxer/Deutscher Boxer/Bokser|
Rottweiler/Rottweiler/Rottweiler|Rotti, Rottie
Siberian Husky/Sibirischer Husky/Husky syberyjski|Husky
Maltese/Malteser/Maltańczyk|
Havanese/Havaneser/Hawańczyk|
Pomeranian/Zwergspitz/Szpic miniaturowy|Pom, Pomeranian
Whippet/Whippet/Whippet|
West Highland White Terrier/West Highland White Terrier/West Highland white terrier|Westie, WHWT
Springer Spaniel/English Springer Spaniel/Springer spaniel angielski|ESS, Springer
Cavalier King Charles Spaniel/Cavalier King Charles Spaniel/Cavalier king charles spaniel|CKCS, Cavalier, Cavvy
Hungarian Vizsla/Magyar Vizsla/Wyżeł węgierski|Vizsla
Bernese Mountain Dog/Berner Sennenhund/Berneński pies pasterski|Bernese, BMD; Berner; berneńczyk
Great Dane/Deutsche Dogge/Dog niemiecki|
Dobermann/Dobermann/Doberman|Doberman
Rhodesian Ridgeback/Rhodesian Ridgeback/Rhodesian ridgeback|Ridgeback, RR
Podenco/Podenco/Podenco|Podengo
"""
_CAT_BREEDS = """
Domestic Shorthair/Europäisch Kurzhaar/Europejska krótkowłosa|DSH, Moggy; EKH, Hauskatze; dachowiec, EUR
Domestic Longhair/Hauskatze Langhaar/Europejska długowłosa|DLH, long hair; Langhaar, ELH; długowłosy
British Shorthair/Britisch Kurzhaar/Brytyjska krótkowłosa|BSH, British; BKH, Karthäuser; brytyjczyk
Maine Coon/Maine Coon/Maine coon|MC, Mainecoon
Ragdoll/Ragdoll/Ragdoll|Rag doll
Siamese/Siam/Syjamska|Siam
Bengal/Bengal/Bengalska|Bengal cat
Persian/Perser/Perska|; ; pers
Norwegian Forest Cat/Norwegische Waldkatze/Norweska leśna|NFO, Norwegian; Waldkatze; norweg
Sphynx/Sphynx/Sfinks|Canadian Sphynx
Birman/Heilige Birma/Birmańska|Birma
Russian Blue/Russisch Blau/Rosyjska niebieska|RB
"""
_RABBIT_BREEDS = """
Netherland Dwarf/Zwergkaninchen/Królik miniaturka|ND, Dwarf
Mini Lop/Zwergwidder/Baran miniaturka|Lop
Lionhead/Löwenkopf/Lionhead|
Crossbreed/Mischling/Mieszaniec|mix
"""
_OTHER_BREEDS = """
Guinea Pig/Meerschweinchen/Świnka morska|GP, cavy
Syrian Hamster/Goldhamster/Chomik syryjski|Hamster
Ferret/Frettchen/Fretka|
Budgerigar/Wellensittich/Papuga falista|Budgie
Tortoise/Schildkröte/Żółw|
"""

_SHARED_PETS = """
Luna, Bella, Charlie, Max, Milo, Rocky, Lucky, Coco, Simba, Nala, Balu, Leo, Felix, Lilly, Emma, Amy, Mia, Kira,
Sammy, Buddy, Bruno, Lucy, Oskar, Ella, Cleo, Tiger, Lola, Molly, Rex, Sunny, Paula, Daisy, Nero, Leyla, Filou
"""


# English


def _english(part: str) -> Words:
    person, american, more = (_faker("person", one) for one in ("en_GB", "en_US", "en"))
    family = [
        *_words(_EN_FAMILY),
        *sorted(person.last_names, key=lambda name: (-person.last_names[name], name)),
        *(name for name in american.last_names if name not in {"Garcia", "Rodriguez"}),
        *_spread(list(more.last_names)),
        *_compound(_EN_FIRST, _EN_SECOND),
    ]
    return Words(
        country="GB",
        family=Ranked.by_rank(_half(family, _FAMILY_HEAD, part), 11),
        female=_given([*_words(_EN_FEMALE), *person.first_names_female], more.first_names_female, part),
        male=_given([*_words(_EN_MALE), *person.first_names_male], more.first_names_male, part),
        feminine=(),
        nicknames=_pairs(_EN_NICKNAMES),
        pets=_pet_names(_SHARED_PETS, part, 0.1),
        pet_forms=_pairs(_EN_PET_FORMS),
        pet_endings=("y", "ie", "-Mae", "-Lou", "-Boy", " Bear", "Boo"),
        pet_remarks=("(nervous)", "the cat", "II", "- bites!", "(muzzle)", "puppy", "(diabetic)", "(new)"),
        breeds=_breeds("en"),
        species=_species(("dog", "Dog", "Canine", "K9", "canine (dog)"), ("cat", "Cat", "Feline", "feline (cat)")),
        sexes=_sexes(
            ("female", "F", "Female", "f"),
            ("FN", "female spayed", "Female neutered", "fs"),
            ("male", "M", "Male", "m"),
            ("MN", "male neutered", "Male neutered", "mn"),
        ),
        towns=_towns(_EN_TOWNS, ("Upper {}", "{} Green", "{} St Mary")),
        streets=_streets(_EN_STREETS, ("Road", "Street", "Avenue", "Lane", "Close", "Drive", "Gardens")),
        street_forms=(("Road", "Rd"), ("Street", "St"), ("Avenue", "Ave"), ("Drive", "Dr"), ("Gardens", "Gdns")),
        street_first=False,
        postcode="AN 4@",
        phone=PhonePlan(
            "44", "0", (("74", 8), ("75", 8), ("77", 8), ("78", 8)), ("161", "121", "113", "117", "131"), 7
        ),
        letters={"é": ("e",), "ë": ("e",), "á": ("a",), "ñ": ("n",), "ö": ("oe", "o"), "ü": ("ue", "u")},
        sounds=(
            ("ph", "f"),
            ("th", "t"),
            ("ie", "y"),
            ("ey", "y"),
            ("y", "ie"),
            ("ck", "k"),
            ("c", "k"),
            ("ai", "ay"),
            ("ea", "ee"),
            ("ee", "ea"),
            ("gh", ""),
            ("mb", "m"),
            ("wh", "w"),
            ("ou", "ow"),
            ("ll", "l"),
            ("nn", "n"),
            ("s", "z"),
            ("er", "ar"),
            ("or", "er"),
            ("mac", "mc"),
            ("ur", "er"),
            ("tt", "t"),
            ("i", "y"),
            ("a", "e"),
        ),
        keyboard=("qwertyuiop", "asdfghjkl", "zxcvbnm"),
        titles=("Mr", "Mrs", "Ms", "Miss", "Dr", "Mr.", "Mrs."),
        name_remarks=(
            "(VIP)",
            "DO NOT CALL",
            "- new address",
            "(deceased partner)",
            "*bad debt*",
            "(see notes)",
            "NHS",
            "- moved",
            "(breeder)",
            "cash only",
        ),
        partner_remarks=("wife", "husband", "partner", "daughter"),
        phone_remarks=("work", "mob", "after 6pm", "not before 9", "text only"),
        joiners=(" & ", " and ", "/", " + "),
        for_other=(
            "{booker} for {family}",
            "{booker} (for Mrs {family})",
            "{family}'s dog, {booker}",
            "{booker} on behalf of {family}",
        ),
        mail_domains=_domains(("inbox.example", "quickmail.example", "mail.example", "post.example")),
        mail_words=(
            "sunny",
            "rover",
            "footie",
            "lovemydog",
            "mumof2",
            "gardener",
            "bluesky",
            "catlady",
            "biker",
            "teapot",
        ),
        mail_offices=("info", "office", "admin", "accounts"),
    )


def _given(common: Iterable[str], rare: Iterable[str], part: str) -> Ranked[str]:
    return Ranked.by_rank(_half([*common, *_spread(list(rare))], _GIVEN_HEAD, part), 9)


def _species(
    dog: Sequence[str], cat: Sequence[str], rabbit: str = "rabbit", other: str = "other"
) -> dict[str, Ranked[str]]:
    weights = (10, 4, 1, 0.5, 0.5)
    return {
        "dog": Ranked(dog, weights[: len(dog)]),
        "cat": Ranked(cat, weights[: len(cat)]),
        "rabbit": Ranked((rabbit,), (1,)),
        "other": Ranked((other,), (1,)),
    }


def _sexes(
    female: Sequence[str], spayed: Sequence[str], male: Sequence[str], neutered: Sequence[str]
) -> dict[str, Ranked[str]]:
    """People who are asked for the sex leave out half of the time what was done to it."""
    return {
        "female": Ranked(female, (6, 3, 2, 1)),
        "female_neutered": Ranked((*spayed, *female), (3, 1, 2, 1, 4, 2, 1, 1)),
        "male": Ranked(male, (6, 3, 2, 1)),
        "male_neutered": Ranked((*neutered, *male), (3, 1, 2, 1, 4, 2, 1, 1)),
    }


def _towns(text: str, patterns: Sequence[str]) -> tuple[str, ...]:
    towns = _words(text)
    return (*towns, *(pattern.format(town) for pattern in patterns for town in towns))


def _streets(text: str, kinds: Sequence[str]) -> tuple[str, ...]:
    stems = _words(text)
    return tuple(_spread([f"{stem} {kind}" for stem in stems for kind in kinds]))


def _domains(locals_: Sequence[str]) -> Ranked[str]:
    return Ranked.by_rank(locals_, 1.5)


_EN_FAMILY = """
Smith, Jones, Williams, Taylor, Brown, Davies, Evans, Wilson, Thomas, Johnson, Roberts, Robinson, Thompson, Wright,
Walker, White, Edwards, Hughes, Green, Hall, Lewis, Harris, Clarke, Patel, Jackson, Wood, Turner, Martin, Cooper,
Hill, Ward, Morris, Moore, Clark, Lee, King, Baker, Harrison, Morgan, Allen, James, Scott, Phillips, Watson, Davis,
Parker, Price, Bennett, Young, Griffiths, Mitchell, Kelly, Cook, Carter, Richardson, Bailey, Collins, Bell, Shaw,
Murphy, Miller, Cox, Richards, Khan, Marshall, Anderson, Simpson, Ellis, Adams, Singh, Begum, Wilkinson, Foster,
Chapman, Powell, Webb, Rogers, Gray, Mason, Ali, Hunt, Hussain, Campbell, Matthews, Owen, Palmer, Holmes, Mills,
Barnes, Knight, Lloyd, Butler, Russell, Barker, Fisher, Stevens, Jenkins, Murray, Dixon, Harvey, O'Brien, O'Connor,
MacDonald, McKenzie, Kowalski, Nowak, O'Neill, Smythe, Clarkson, Johnston, Johnstone, Thomson, Phillip, Stephens,
Stephenson, Stevenson
"""
_EN_FEMALE = """
Sarah, Emma, Claire, Laura, Rebecca, Susan, Nicola, Karen, Rachel, Julie, Lisa, Helen, Samantha, Victoria, Charlotte,
Margaret, Emily, Jane, Jessica, Louise, Elizabeth, Katie, Amy, Hannah, Michelle, Lucy, Gemma, Joanne, Catherine,
Sophie, Alison, Linda, Anna, Chloe, Christine, Jennifer, Tracey, Kelly, Kate, Deborah, Amanda, Patricia, Katherine,
Olivia, Megan, Stephanie, Kirsty, Angela, Natalie, Zoe, Heather, Mary, Caroline, Anne, Lauren, Sharon, Danielle,
Fiona, Jacqueline
"""
_EN_MALE = """
David, Paul, James, John, Andrew, Mark, Michael, Richard, Stephen, Robert, Daniel, Peter, Christopher, Matthew,
Thomas, Simon, Jack, Ian, Steven, Adam, Alan, Lee, Ryan, Gary, William, Jonathan, Benjamin, Martin, Joseph, Craig,
Philip, Luke, Samuel, Alexander, Kevin, Neil, Anthony, Stuart, Graham, Darren, Nicholas, George, Edward, Oliver,
Harry, Jason, Colin, Keith, Brian, Gareth, Joshua, Sean, Barry, Tony, Liam, Nathan, Charles, Timothy, Mohammed,
Scott, Kenneth, Terence
"""
_EN_NICKNAMES = """
William: Bill Will Billy Liam, Robert: Bob Rob Bobby Robbie, Richard: Rick Dick Rich, James: Jim Jimmy Jamie,
John: Jack Johnny, Michael: Mike Mick Mikey, Christopher: Chris Kit, Matthew: Matt, Andrew: Andy Drew,
Stephen: Steve, Steven: Steve, Thomas: Tom Tommy, Daniel: Dan Danny, Benjamin: Ben, Joseph: Joe Joey, Philip: Phil,
Samuel: Sam, Alexander: Alex Sandy Al, Anthony: Tony Ant, Nicholas: Nick, Edward: Ed Ted Eddie, Timothy: Tim,
Kenneth: Ken, David: Dave Davy, Peter: Pete, Jonathan: Jon Jonny, Charles: Charlie Chas, Joshua: Josh, Nathan: Nate,
Terence: Terry, Mohammed: Mo, Harry: Harold, Elizabeth: Liz Beth Lizzie Betty, Katherine: Kate Kathy Katie,
Catherine: Cath Cathy Kate, Margaret: Maggie Meg Peggy, Jennifer: Jen Jenny, Rebecca: Becky Bex,
Victoria: Vicky Tori, Samantha: Sam Sammy, Jessica: Jess Jessie, Patricia: Pat Trish, Deborah: Debbie Deb,
Susan: Sue Susie, Amanda: Mandy, Stephanie: Steph, Jacqueline: Jackie, Christine: Chris Chrissy,
Charlotte: Charlie Lottie, Natalie: Nat, Nicola: Nicky Nic, Joanne: Jo, Caroline: Caz Carrie, Michelle: Shell Chelle,
Alison: Ali, Kimberley: Kim, Olivia: Liv Livvy, Emily: Em Emmy, Danielle: Dani, Angela: Angie, Abigail: Abby,
Sandra: Sandy, Kirsty: Kirst, Rachel: Rach, Megan: Meg, Gemma: Gem, Theresa: Terri, Frances: Fran, Frederick: Fred,
Gregory: Greg, Leonard: Len, Lawrence: Larry, Raymond: Ray, Ronald: Ron, Donald: Don, Douglas: Doug, Dominic: Dom,
Zachary: Zac
"""
_EN_PET_FORMS = """
Bella: Isabella Bell Bells, Luna: Luna-Mae Lulu Loona, Max: Maxi Maximus Maxie, Charlie: Charles Charley,
Molly: Mollie Moll, Buddy: Bud, Daisy: Daise, Coco: Cocoa CoCo, Lucy: Lucie Lulu, Bailey: Baylee Bailie, Sadie: Sade,
Maggie: Mags Magie, Sophie: Sofie Soph, Chloe: Cloe Chlo, Lola: Lolly Lollie, Zoe: Zoey Zoë, Milo: Mylo Miles,
Oliver: Ollie Oli, Jack: Jackie Jax, Toby: Tobias Tobi, Cooper: Coop, Rocky: Rocco Rock, Gracie: Grace, Ruby: Rubes,
Rosie: Rose Rosy, Penny: Pen Penelope, Ellie: Elly Eleanor, Stella: Stell, Lily: Lilly Lil, Leo: Leonardo Lee,
Oscar: Ozzy Oskar, Henry: Harry Hen, Gus: Angus, Sam: Sammy Samson, Teddy: Ted Theodore, Murphy: Murph,
Winston: Winnie, Riley: Reilly, Abby: Abbie Abigail, Annie: Anne, Zeus: Zeusy, Duke: Dukey, Finn: Finley Fin,
Louie: Louis Lou, Bentley: Ben, Simba: Simbi, Kitty: Kit, Tiger: Tigger, Smokey: Smoky, Shadow: Shads, Jasper: Jazz,
Olive: Olivia, Hazel: Haze, Willow: Willo, Pepper: Pep, Ginger: Ginge
"""
_EN_TOWNS = """
Ashbourne, Brackley, Calderbrook, Denholme, Easingford, Fernleigh, Grantley, Harrowby, Ilkerton, Kelsworth, Langport,
Marlsford, Netherby, Oakhampton, Penwick, Rothley, Selbourne, Tarrington, Ulverley, Wexcombe, Bramhope, Coldstead,
Dunmere, Elmstead, Foxholes, Glenfield, Hollinwood, Kirkham, Lindale, Moorside, Norbury, Overton, Prestwood,
Ryecroft, Stanhill, Thornley, Westbrook, Whitcombe, Yarlside, Aldwick, Birchover, Cranleigh, Dalton, Eastwell,
Farnborough, Greenhithe, Highfield, Ivybridge, Knowle, Leasowe, Millbrook, Newbold, Orford, Portishead, Redhill,
Saltby, Tilford, Upton, Verwood, Wickham
"""
_EN_STREETS = """
High, Church, Station, Victoria, Albert, Mill, Park, Green, London, Manor, Kings, Queens, School, Chapel, York,
North, South, West, East, Grange, Springfield, George, Windsor, Alexandra, Stanley, Chester, Richmond, Oak, Elm,
Beech, Cedar, Maple, Rose, Orchard, Meadow, Hill, Bridge, River, Wood, Farm, Field, Cross, Castle, Abbey, Priory,
Bank, Brook, Mount
"""
_EN_FIRST = """
Ash, Bar, Beck, Black, Brad, Bram, Brock, Burn, Carl, Chad, Clay, Cran, Crom, Dal, Den, Ed, El, Fair, Farn, Good,
Grim, Hal, Har, Hart, Haw, Hazel, Hen, Hether, Hol, Hough, Kel, Ken, Kirk, Lang, Led, Lin, Long, Mal, Mar, Mel, Mid,
Mor, Nor, Oak, Old, Orm, Pem, Pres, Red, Rock, Rother, Rush, Shel, Sher, Stan, Stock, Swin, Thorn, Thur, Tod, Up,
Wake, Wal, War, Wet, Whit, Wick, Wil, Win, Wood, Wor, Wy
"""
_EN_SECOND = """
berry, bourne, bridge, brook, burn, bury, by, combe, cott, croft, dale, den, don, field, ford, gate, ham, hill,
house, hurst, land, ley, low, man, mere, mont, more, ness, shaw, son, stead, stock, stone, ton, tree, wall, ward,
water, well, wick, wood, worth, yard
"""


# German


def _german(part: str) -> Words:
    person, austrian = _faker("person", "de_DE"), _faker("person", "de_AT")
    family = [
        *_words(_DE_FAMILY),
        *_spread([*person.last_names, *austrian.last_names]),
        *_compound(_DE_FIRST, _DE_SECOND),
    ]
    return Words(
        country="DE",
        family=Ranked.by_rank(_half(family, _FAMILY_HEAD, part), 14),
        female=_given(_words(_DE_FEMALE), person.first_names_female, part),
        male=_given(_words(_DE_MALE), person.first_names_male, part),
        feminine=(),
        nicknames=_pairs(_DE_NICKNAMES),
        pets=_pet_names(_SHARED_PETS + _DE_PETS, part, 0.55),
        pet_forms=_pairs(_EN_PET_FORMS + "," + _DE_PET_FORMS),
        pet_endings=("i", "chen", "lein", "le", "erl", "-Maus", "y"),
        pet_remarks=("(ängstlich)", "Kater", "Hündin", "II", "- beißt!", "Welpe", "vom Tannenhof", "(neu)"),
        breeds=_breeds("de"),
        species=_species(
            ("dog", "Hund", "Canine", "hund", "HUND"), ("cat", "Katze", "Feline", "Ktz"), "Kaninchen", "other"
        ),
        sexes=_sexes(
            ("female", "w", "weiblich", "W"),
            ("wk", "weiblich kastriert", "w kastriert", "FN"),
            ("male", "m", "männlich", "M"),
            ("mk", "männlich kastriert", "m kastriert", "MN"),
        ),
        towns=_towns(_DE_TOWNS, ("Ober{}", "Bad {}", "Neu {}")),
        streets=_streets_de(),
        street_forms=(("straße", "str."), ("straße", "strasse"), ("Straße", "Str."), ("platz", "pl.")),
        street_first=True,
        postcode="T#1",
        phone=PhonePlan(
            "49",
            "0",
            (
                ("151", 8),
                ("152", 8),
                ("157", 8),
                ("159", 8),
                ("160", 7),
                ("170", 7),
                ("171", 7),
                ("172", 7),
                ("173", 7),
                ("174", 7),
                ("175", 7),
                ("176", 8),
                ("177", 7),
                ("178", 7),
                ("179", 7),
            ),
            ("89", "30", "40", "221", "711", "341"),
            7,
        ),
        letters={"ä": ("ae", "a"), "ö": ("oe", "o"), "ü": ("ue", "u"), "ß": ("ss", "s"), "é": ("e", "e")},
        sounds=(
            ("th", "t"),
            ("ck", "k"),
            ("dt", "t"),
            ("tz", "z"),
            ("ai", "ei"),
            ("ei", "ai"),
            ("ey", "ei"),
            ("ay", "ei"),
            ("mann", "man"),
            ("ff", "f"),
            ("ph", "f"),
            ("v", "f"),
            ("c", "k"),
            ("y", "i"),
            ("ie", "i"),
            ("ä", "e"),
            ("eu", "oi"),
            ("äu", "eu"),
            ("tt", "t"),
            ("ll", "l"),
            ("nn", "n"),
            ("ss", "s"),
            ("h", ""),
            ("d", "t"),
            ("b", "p"),
            ("ü", "i"),
            ("ö", "e"),
            ("z", "tz"),
        ),
        keyboard=("qwertzuiopü", "asdfghjklöä", "yxcvbnm"),
        titles=("Frau", "Herr", "Dr.", "Fr.", "Hr.", "Fam.", "Prof. Dr."),
        name_remarks=(
            "(VIP)",
            "NICHT ANRUFEN",
            "- neue Adresse",
            "(verzogen)",
            "*Mahnung*",
            "(s. Notiz)",
            "Barzahler",
            "(Züchter)",
            "geb. Klein",
            "Tierschutz",
        ),
        partner_remarks=("Frau", "Mann", "Partner", "Tochter", "Ehemann"),
        phone_remarks=("Arbeit", "priv.", "ab 18 Uhr", "dienstl.", "nur SMS"),
        joiners=(" und ", " & ", " u. ", "/", " + "),
        for_other=(
            "{booker} für {family}",
            "{booker} (für Familie {family})",
            "Hund von Frau {family}, {booker}",
            "{booker} i.A. {family}",
        ),
        mail_domains=_domains(("postfach.example", "netz.example", "mail.example", "briefkasten.example")),
        mail_words=(
            "sonne",
            "hundefan",
            "sternchen",
            "mausi",
            "wandern",
            "katzenmama",
            "biene",
            "fussball",
            "garten",
        ),
        mail_offices=("info", "kontakt", "buero", "praxis"),
    )


def _streets_de() -> tuple[str, ...]:
    stems = _words(_DE_STREETS)
    kinds = ("straße", "weg", "gasse", "platz", "allee", "ring")
    joined = [f"{stem}{kind}" for stem in stems for kind in kinds]
    return tuple(_spread([*joined, *(f"{town}er Straße" for town in _words(_DE_TOWNS))]))


_DE_FAMILY = """
Müller, Schmidt, Schneider, Fischer, Weber, Meyer, Wagner, Becker, Schulz, Hoffmann, Schäfer, Koch, Bauer, Richter,
Klein, Wolf, Schröder, Neumann, Schwarz, Zimmermann, Braun, Krüger, Hofmann, Hartmann, Lange, Schmitt, Werner,
Schmitz, Krause, Meier, Lehmann, Schmid, Schulze, Maier, Köhler, Herrmann, König, Walter, Mayer, Huber, Kaiser,
Fuchs, Peters, Lang, Scholz, Möller, Weiß, Jung, Hahn, Schubert, Vogel, Friedrich, Keller, Günther, Frank, Berger,
Winkler, Roth, Beck, Lorenz, Baumann, Franke, Albrecht, Schuster, Simon, Ludwig, Böhm, Winter, Kraus, Martin,
Schumacher, Krämer, Vogt, Stein, Jäger, Otto, Sommer, Groß, Seidel, Heinrich, Brandt, Haas, Schreiber, Graf, Schulte,
Dietrich, Ziegler, Kuhn, Kühn, Pohl, Engel, Horn, Busch, Bergmann, Thomas, Voigt, Sauer, Arnold, Wolff, Pfeiffer,
Yılmaz, Kaya, Nowak, Kowalski, Demir, Öztürk
"""
_DE_FEMALE = """
Sabine, Susanne, Petra, Monika, Andrea, Claudia, Stefanie, Anna, Julia, Katharina, Birgit, Nicole, Martina,
Christine, Barbara, Karin, Heike, Sandra, Katrin, Melanie, Anja, Ursula, Maria, Gabriele, Renate, Sarah, Laura, Lisa,
Christina, Silke, Kerstin, Angelika, Elisabeth, Brigitte, Ute, Daniela, Tanja, Simone, Ulrike, Cornelia, Jana,
Nadine, Franziska, Johanna, Eva, Lena, Manuela, Sonja, Carina, Theresa, Margarete, Jutta, Silvia, Bettina, Marion,
Vanessa, Jessica, Ayşe
"""
_DE_MALE = """
Thomas, Michael, Andreas, Peter, Stefan, Christian, Wolfgang, Klaus, Martin, Jürgen, Markus, Frank, Daniel, Matthias,
Alexander, Hans, Bernd, Uwe, Sebastian, Jan, Florian, Tobias, Ralf, Dirk, Rainer, Manfred, Josef, Werner, Johannes,
Patrick, Dieter, Jens, Helmut, Tim, Philipp, Oliver, Holger, Sven, Torsten, Karl-Heinz, Heinz, Max, Maximilian,
Lukas, Jörg, Franz, Georg, Dominik, Robert, Felix, Benjamin, Günter, Horst, Herbert, Ludwig, Anton, Jonas, Mehmet,
Björn, Nils
"""
_DE_NICKNAMES = """
Josef: Sepp Beppo Jupp, Johannes: Hans Hannes Jo, Katharina: Kathi Käthe Kati, Elisabeth: Lisa Sissi Liesl Elli,
Margarete: Grete Gretel, Franz: Franzl, Georg: Schorsch, Ludwig: Wiggerl Lutz, Maximilian: Max Maxi,
Alexander: Alex Sascha, Sebastian: Basti Wastl, Michael: Michi Michl, Andreas: Andi Andy, Stefan: Steff,
Stefanie: Steffi, Susanne: Susi Sanne, Sabine: Bine, Christine: Christl Tine, Christina: Tina Chris,
Christian: Chris, Matthias: Matze Hias, Thomas: Tom Tommi, Wolfgang: Wolfi, Friedrich: Fritz, Heinrich: Heinz Heiner,
Tobias: Tobi, Florian: Flo, Benjamin: Ben Benny, Philipp: Phil, Barbara: Babsi Bärbel, Gabriele: Gabi,
Ursula: Uschi Ulla, Monika: Moni, Angelika: Geli, Brigitte: Gitti, Daniela: Dani, Manuela: Manu, Cornelia: Conny,
Ulrike: Uli Rike, Anton: Toni, Dominik: Domi, Franziska: Franzi Sissi, Johanna: Hanna Jojo, Theresa: Resi Resl,
Maria: Mitzi Marie, Claudia: Claudi, Jürgen: Jogi, Günter: Günni, Martina: Tina, Renate: Nate Reni, Patrick: Pat,
Robert: Robbi Bob, Manfred: Manni Fred, Dieter: Didi, Karl-Heinz: Kalle Karl, Silvia: Silvi, Nicole: Nici,
Melanie: Meli, Katrin: Kati, Lukas: Luki, Margit: Gitta, Eva: Evi, Helmut: Heli, Tanja: Tani, Bettina: Betty Tina
"""
_DE_PETS = """
Balou, Bärli, Mohrle, Mimi, Minka, Mausi, Tiger, Schnurri, Peterle, Wastl, Purzel, Waldi, Hasso, Struppi, Blacky,
Lumpi, Susi, Strolch, Flocke, Schnuffi, Fritz, Maxl, Kasimir, Moritz, Garfield, Findus, Carlo, Lotte, Frieda, Emmi,
Pauline, Greta, Aika, Anka, Asta, Benno, Bobby, Bonnie, Cindy, Dino, Donna, Fee, Finja, Gina, Hexe, Ilvy, Jacky,
Janosch, Kimba, Krümel, Lady, Lissy, Maja, Merlin, Mogli, Muffin, Nelly, Nicki, Odin, Pablo, Paco, Pauli, Peppi,
Pünktchen, Rambo, Ronja, Rudi, Sam, Schoko, Senta, Shila, Speedy, Stupsi, Tapsi, Tinka, Tommy, Trixi, Wotan, Xena,
Yuma, Zora, Knödel, Socke, Keks, Pumuckl
"""
_DE_PET_FORMS = """
Maxl: Max Maxi, Mohrle: Mohr Moor, Peterle: Peter, Moritz: Mo Moritzl, Lotte: Lotti Charlotte, Frieda: Fritzi Frida,
Fritz: Fritzi Fritzl, Balou: Balu, Balu: Balou Bagheera, Emmi: Emma Emmy, Emma: Emmi Emmchen, Paula: Pauli Pauline,
Mausi: Maus, Minka: Minki Minkerl, Tiger: Tigerle Tigi, Struppi: Strupperl, Krümel: Krümi, Flocke: Flöckchen Flocki,
Oskar: Ossi Oscar, Bruno: Bruni, Nelly: Nelli Nele, Kira: Kiki Kyra, Felix: Felixle Felli, Leo: Leon Leopold
"""
_DE_TOWNS = """
Altenried, Birkenau, Dornbach, Eichstätten, Falkenberg, Grünwald, Hagenbach, Ilmenau, Kirchheim, Lindenfels,
Marktdorf, Neuhausen, Oberndorf, Petersberg, Rosenheim, Schönbrunn, Talheim, Unterhaching, Waldkirch, Zellingen,
Auerbach, Brunnthal, Dachsberg, Erlenbach, Forstern, Gernsbach, Haslach, Isen, Königsfeld, Langenau, Moosburg,
Nußdorf, Ottobrunn, Pfaffing, Reichenau, Sulzbach, Tannheim, Vogtsburg, Wiesental, Zorneding
"""
_DE_STREETS = """
Haupt, Schul, Garten, Bahnhof, Berg, Dorf, Birken, Linden, Kirch, Wald, Ring, Schiller, Goethe, Mozart, Jahn, Mühlen,
Wiesen, Rosen, Amsel, Drossel, Finken, Meisen, Tannen, Eichen, Buchen, Ahorn, Feld, Bach, Brunnen, Markt, Post,
Sonnen
"""
_DE_FIRST = """
Alten, Berg, Birken, Brand, Brei, Buch, Dachs, Dorn, Eber, Eich, Eisen, Engel, Erlen, Falken, Feld, Fichten, Fried,
Fuchs, Gold, Grün, Haber, Hagen, Hasel, Heiden, Hirsch, Hohen, Holz, Kalten, Kirch, Klein, Lang, Laub, Lehn, Linden,
Löwen, Mühl, Neu, Nuss, Ober, Ochsen, Raben, Reit, Rosen, Roth, Sand, Schön, Schwarzen, Silber, Stein, Stern, Tannen,
Thal, Unter, Vogel, Wald, Weiden, Wiesen, Winkel, Wolfs
"""
_DE_SECOND = """
auer, bach, bacher, baum, beck, berg, berger, brunner, burger, dorf, dorfer, eck, egger, feld, felder, graber, haus,
hauser, heim, heimer, hof, hofer, hoff, höfer, huber, kamp, kötter, lechner, leitner, länder, mann, mayr, meier,
meyer, meister, müller, reiter, rieder, schmidt, stätter, steiner, thaler, wald
"""


# Polish


def _polish(part: str) -> Words:
    person, address = _faker("person", "pl_PL"), _faker("address", "pl_PL")
    family = [*_words(_PL_FAMILY), *person.male_last_names, *person.unisex_last_names]
    return Words(
        country="PL",
        family=Ranked.by_rank(_half(family, _FAMILY_HEAD, part), 28),
        female=_given([*_words(_PL_FEMALE), *person.first_names_female], (), part),
        male=_given([*_words(_PL_MALE), *person.first_names_male], (), part),
        feminine=(("ski", "ska"), ("cki", "cka"), ("dzki", "dzka"), ("ny", "na")),
        nicknames=_pairs(_PL_NICKNAMES),
        pets=_pet_names(_SHARED_PETS + _PL_PETS, part, 0.55),
        pet_forms=_pairs(_EN_PET_FORMS + "," + _PL_PET_FORMS),
        pet_endings=("ek", "ka", "usia", "uś", "eczek", "ia"),
        pet_remarks=("(lękliwy)", "kot", "suczka", "II", "- gryzie!", "szczeniak", "(nowy)", "kocur"),
        breeds=_breeds("pl"),
        species=_species(
            ("dog", "pies", "Pies", "Canine", "PIES"), ("cat", "kot", "Kot", "Feline"), "królik", "other"
        ),
        sexes=_sexes(
            ("female", "samica", "F", "suka"),
            ("samica kastrowana", "FN", "samica sterylizowana", "female"),
            ("male", "samiec", "M", "pies"),
            ("samiec kastrowany", "MN", "samiec kastr.", "male"),
        ),
        towns=tuple(address.cities),
        streets=tuple(f"ul. {street}" for street in dict.fromkeys(address.streets)),
        street_forms=(("ul. ", ""), ("ul. ", "ulica ")),
        street_first=True,
        postcode="T-#0",
        phone=PhonePlan(
            "48",
            "",
            tuple((prefix, 7) for prefix in ("50", "51", "53", "57", "60", "66", "69", "72", "73", "78", "79", "88")),
            ("22", "12", "61", "71", "58", "42"),
            7,
        ),
        letters={
            "ą": ("a", "a"),
            "ć": ("c",),
            "ę": ("e",),
            "ł": ("l",),
            "ń": ("n",),
            "ó": ("o", "u"),
            "ś": ("s",),
            "ź": ("z",),
            "ż": ("z",),
        },
        sounds=(
            ("rz", "ż"),
            ("ż", "rz"),
            ("ch", "h"),
            ("h", "ch"),
            ("ó", "u"),
            ("u", "ó"),
            ("w", "f"),
            ("cz", "cz"),
            ("ą", "on"),
            ("ę", "en"),
            ("sz", "s"),
            ("ł", "l"),
            ("ń", "n"),
            ("ck", "tsk"),
            ("dz", "c"),
            ("ks", "x"),
            ("j", "i"),
            ("y", "i"),
        ),
        keyboard=("qwertyuiop", "asdfghjkl", "zxcvbnm"),
        titles=("Pani", "Pan", "dr", "p.", "mgr"),
        name_remarks=(
            "(VIP)",
            "NIE DZWONIĆ",
            "- nowy adres",
            "(przeprowadzka)",
            "*zalega*",
            "hodowca",
            "(fundacja)",
            "gotówka",
        ),
        partner_remarks=("żona", "mąż", "partner", "córka"),
        phone_remarks=("praca", "dom", "po 18", "służb.", "tylko SMS"),
        joiners=(" i ", " & ", "/", " oraz "),
        for_other=("{booker} dla {family}", "{booker} (za {family})", "pies od {family}, {booker}"),
        mail_domains=_domains(("poczta.example", "skrzynka.example", "mail.example", "listy.example")),
        mail_words=("slonko", "piesek", "kotka", "ogrod", "rower", "misio", "gwiazda", "mama", "las"),
        mail_offices=("biuro", "info", "kontakt", "sekretariat"),
    )


_PL_FAMILY = """
Nowak, Kowalski, Wiśniewski, Wójcik, Kowalczyk, Kamiński, Lewandowski, Zieliński, Szymański, Woźniak, Dąbrowski,
Kozłowski, Jankowski, Mazur, Wojciechowski, Kwiatkowski, Krawczyk, Kaczmarek, Piotrowski, Grabowski, Zając,
Pawłowski, Michalski, Król, Wieczorek, Jabłoński, Wróbel, Nowakowski, Majewski, Olszewski, Stępień, Malinowski,
Jaworski, Adamczyk, Dudek, Nowicki, Pawlak, Górski, Witkowski, Walczak, Sikora, Baran, Rutkowski, Michalak, Szewczyk,
Ostrowski, Tomaszewski, Pietrzak, Zalewski, Wróblewski, Marciniak, Jasiński, Zawadzki, Bąk, Jakubowski, Sadowski,
Duda, Włodarczyk, Wilk, Chmielewski
"""
_PL_FEMALE = """
Anna, Katarzyna, Maria, Małgorzata, Agnieszka, Barbara, Ewa, Krystyna, Elżbieta, Magdalena, Joanna, Zofia, Monika,
Aleksandra, Teresa, Danuta, Natalia, Karolina, Marta, Julia, Beata, Dorota, Alicja, Janina, Jadwiga, Halina, Jolanta,
Grażyna, Iwona, Paulina, Justyna, Zuzanna, Renata, Hanna, Wiktoria, Urszula, Bożena, Izabela, Sylwia, Emilia, Agata,
Weronika, Patrycja, Aneta, Edyta, Dominika, Kinga, Marzena, Anita, Oliwia, Gabriela, Klaudia, Ilona, Wioletta,
Martyna, Milena, Aldona, Bogumiła, Celina, Daria, Dagmara, Ewelina, Honorata, Irena, Jagoda, Kamila, Laura, Lidia,
Lucyna, Mariola
"""
_PL_MALE = """
Piotr, Krzysztof, Andrzej, Tomasz, Jan, Paweł, Michał, Marcin, Jakub, Adam, Stanisław, Marek, Łukasz, Grzegorz,
Mateusz, Wojciech, Mariusz, Dariusz, Zbigniew, Jerzy, Maciej, Rafał, Robert, Kamil, Józef, Szymon, Dawid, Bartosz,
Jacek, Tadeusz, Ryszard, Kacper, Artur, Jarosław, Sławomir, Janusz, Damian, Mirosław, Daniel, Henryk, Sebastian,
Przemysław, Roman, Filip, Konrad, Arkadiusz, Leszek, Waldemar, Bogdan, Dominik, Hubert, Kazimierz, Wiesław, Zenon,
Edward, Radosław, Marian, Norbert
"""
_PL_NICKNAMES = """
Katarzyna: Kasia Kaśka, Małgorzata: Gosia Małgosia, Agnieszka: Aga Agusia, Barbara: Basia, Ewa: Ewka Ewunia,
Elżbieta: Ela Elka, Magdalena: Magda, Joanna: Asia Joasia, Zofia: Zosia, Aleksandra: Ola Olka, Danuta: Danka Danusia,
Karolina: Karola, Julia: Julka, Alicja: Ala, Jadwiga: Jadzia, Halina: Hala Halinka, Jolanta: Jola, Grażyna: Grażka,
Paulina: Paula, Justyna: Justa, Zuzanna: Zuzia, Hanna: Hania, Wiktoria: Wika, Urszula: Ula, Izabela: Iza,
Teresa: Terenia, Maria: Marysia Maryla, Anna: Ania Anka, Monika: Monia, Natalia: Natka, Dorota: Dorotka,
Piotr: Piotrek, Krzysztof: Krzysiek Krzyś, Andrzej: Jędrek, Tomasz: Tomek, Jan: Janek Jasiek, Paweł: Pawełek,
Michał: Michałek Misiek, Jakub: Kuba, Stanisław: Staszek Stasiek, Łukasz: Łukaszek, Grzegorz: Grzesiek,
Mateusz: Mati, Wojciech: Wojtek, Zbigniew: Zbyszek, Jerzy: Jurek, Maciej: Maciek, Józef: Józek, Bartosz: Bartek,
Tadeusz: Tadek, Ryszard: Rysiek, Jarosław: Jarek, Sławomir: Sławek, Mirosław: Mirek, Przemysław: Przemek,
Sebastian: Seba, Dariusz: Darek, Mariusz: Mariuszek, Marcin: Marcinek, Henryk: Heniek, Kazimierz: Kazik,
Wiesław: Wiesiek
"""
_PL_PETS = """
Burek, Azor, Reksio, Puszek, Mruczek, Łatek, Łatka, Fafik, Kajtek, Kropka, Figa, Tofik, Szarik, Saba, Sonia, Nuka,
Pusia, Tosia, Zuzia, Frania, Bonifacy, Filemon, Klakier, Kicia, Misia, Misiek, Pimpek, Pikuś, Ciapek, Czarek, Czarna,
Rudy, Ruda, Rysiek, Stefan, Zenek, Ziutek, Gucio, Gapcio, Hektor, Hera, Iskra, Kama, Kora, Kubuś, Lusia, Lilka, Maks,
Majka, Mela, Murzyn, Nutka, Oskar, Perełka, Pestka, Pchełka, Pączek, Pyza, Roki, Sara, Szyszka, Tina, Tekla, Toffi,
Wafel, Wenus, Żaba, Śnieżka
"""
_PL_PET_FORMS = """
Burek: Bureczek, Puszek: Puszeczek Puszuś, Mruczek: Mruczuś, Kropka: Kropeczka, Figa: Figunia, Saba: Sabcia,
Sonia: Sonieczka Sonka, Tosia: Tośka Antonina, Zuzia: Zuzka Zuzanna, Misia: Misiunia Miśka, Misiek: Miś,
Maks: Maksio Max, Sara: Sarunia, Kora: Korcia, Toffi: Tofi Tofik, Tofik: Tofi, Kubuś: Kuba, Reksio: Reks,
Pusia: Pusieczka, Łatek: Łatuś, Rudy: Rudzik
"""
