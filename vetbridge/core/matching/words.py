"""What people call the same thing: short names, species and breeds in several languages, and words that are no name.

The lists are composed for this project from common knowledge. A name that is missing here costs a match some bits,
never its correctness.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType


def _groups(text: str) -> Mapping[str, frozenset[str]]:
    """Each word with the groups (by their first word) that it stands in."""
    found: dict[str, set[str]] = {}
    for line in text.strip().splitlines():
        words = line.split()
        for word in words:
            found.setdefault(word, set()).add(words[0])
    return MappingProxyType({word: frozenset(groups) for word, groups in found.items()})


def _set(text: str) -> frozenset[str]:
    """The words of a text."""
    return frozenset(text.split())


GIVEN_NAMES = _groups("""
abigail abby abbie gail
adam adas
adrian ade
agnieszka aga agnes
albert al bert bertie
alexander alex al sandy xander sasha alec aleksander olek
alexandra alex sandra sandy sasha lexi ola aleksandra
alfred alf alfie fred
alison ali alisson allison
amanda mandy
andreas andi andy
andrew andy drew andrzej andre
angela angie
anna ann anne annie ania anni anja hanna hannah
anthony tony antony toni anton antoni
antonia toni
arthur art artie artur
barbara barb babs basia barbie
bartholomew bart bartek bartosz
beatrice bea trixie beatrix
benjamin ben benny benni benji
bernard bernie bernhard
bernadette bernie
brigitte gitte birgit
caroline carol carrie karolina karoline karola
catherine cathy kate katie kathy cath kat katherine kathryn catharine kathleen kitty
charles charlie chuck chas karl carl
charlotte charlie lottie lotte
christian chris christoph
christina chris chrissy tina christine kristina christa krysia krystyna
christopher chris kit topher krzysztof christoph krzys
clara klara
daniel dan danny dani
danielle dani
david dave davey dawid
deborah debbie deb debra
dennis denny den denis
dieter didi
donald don donnie
dorothy dot dottie dorothea doris dora dorota
edward ed eddie ted teddy ned eduard
eleanor ellie nell nora elenor elinor leonora
elizabeth liz lizzie beth betty eliza elsie lisa libby bess elisabeth ela elzbieta lisbeth betsy
emily em emmy emilia emma
eric erik erich
eugene gene
eva ewa eve evi
ferdinand ferdi
florian flo
florence flo flossie
frances fran franny frankie
francis frank frankie fran franz franciszek
franziska franzi
frederick fred freddie freddy rick fritz friedrich frederik
gabriele gabi gaby
gabriel gabe
gabrielle gabby gaby
gemma gem
geoffrey geoff jeff jeffrey
georg schorsch jorg
george georgie jerzy jurek
gerald gerry jerry gerard
gertrud trude gerda
grazyna grazka
gregory greg gregor grzegorz grzesiek
hans hansi johannes johann
harold harry hal
harriet hattie harry
heinrich heinz heiner
helen nell ellen helena elena lena
henry harry hank hal henryk hendrik
herbert bert herb
hubert hugh bert
isabella bella izzy isabel isabelle isobel izabela iza
jacob jake jakob jakub kuba
jacqueline jackie jacqui
james jim jimmy jamie jem
jane janie janet jayne
janet jan jane
jennifer jen jenny jennie
jeremy jerry jem
jessica jess jessie
joachim achim jochen
joan jo joanie
joanna jo joasia asia johanna joanne
johanna hanna hannah jo
john jon johnny jack jonny janek jan johan
jonathan jon jonny john
joseph joe joey sepp josef jozef jupp
josephine jo josie josefine
joshua josh
judith judy judi jude
julia julie jules julka
juergen jurgen
kaethe kate kathe
karen kaz
karl-heinz kalle heinz karl
katarzyna kasia kaska
katharina kathi kati katja katrin kathrin kate katarina
kazimierz kazik
kenneth ken kenny
kevin kev
kimberly kim kimberley
klaus claus nikolaus niklas
konrad conny kurt
laurence larry laurie lawrence lars lorenz
leonard len leo lenny leon
lillian lily lil lilian
louise lou lulu luise
louis lou lewis ludwig luis
lucy lucie lucia lucja
lukas luke lucas luca lukasz
maciej maciek
magdalena magda lena maggy
malgorzata gosia margaret
manfred manni fred
marcus mark marc markus marek
margaret maggie meg peggy marge margie maisie greta
margarete gretel grete gretchen greta margret margit
maria marie mary mia mitzi marysia maja
marion mari
martin marty marcin
martina tina
mary molly polly may
matilda tilly tilda mathilde
matthew matt matty mateusz matthias
matthias matt mathias hias
maximilian max maxi maks
megan meg
melanie mel
melissa mel missy lissa
michael mike mick mickey michi micha michal mikey
michelle shelly shell
monika moni monica
nathaniel nat nate nathan
nicholas nick nicky nico nicolas niko nikolas klaus
nicola nicky nic nikki nicole
norbert bert
oliver ollie olly olivier
olivia liv livvy ollie
pamela pam pammy
patricia pat trish patty tricia paddy
patrick pat paddy ricky
paul pavel pawel paulus
paula pauline paulina
penelope penny
peter pete piotr piotrek petr
philip phil pip phillip philipp
rachel rach rachael rahel
raymond ray raimund
rebecca becky becca bex rebekah
renate reni nate
richard rick dick rich ricky richie ryszard
robert rob bob bobby robbie bert
rolf rudi rudolf rudolph
roland roli
ronald ron ronnie
rosemary rose rosie romy rosemarie
russell russ
ruth ruthie
samantha sam sammy
samuel sam sammy
sandra sandy sandi
sarah sally sadie sara
sebastian seb basti bastian
sharon shaz
siegfried siggi sigi
simon si szymon
sophie sofia sophia zofia zosia sofie
stanislaw staszek stan
stephen steve steven stephan stefan ste
stephanie steph steffi stefanie
susan sue susie suzie susanne susanna suzanne sanne susi zuzanna zuzia
sylvia silvia
tadeusz tadek
teresa tess terry tessa theresa resi terri
theodore ted teddy theo theodor
thomas tom tommy tomasz tomek
timothy tim timmy timo
tobias tobi toby tobiah
ulrich uli ulli
ursula uschi ulla urszula ula
valerie val
veronica ronnie vera veronika roni
victoria vicky vic tori vicki viktoria wiktoria
vincent vince vinnie
vivian viv vivien
waltraud traudl traude
werner wernher
wilhelm willi willy william
william bill billy will liam willie wim
winifred fred winnie
wladyslaw wladek
wojciech wojtek
wolfgang wolf wolfi
yvonne evonne
zachary zach zac zak
zbigniew zbyszek
""")
"""A given name with the names it is short for. ``sam`` stands in two groups."""

SPECIES: Mapping[str, str] = MappingProxyType(
    {
        word: line.split()[0]
        for line in """
dog dogs canine canis k9 hund hunde hond chien chienne perro cane pies hundin rude puppy welpe canin teef reu
cat cats feline felis katze kater kat chat chatte gato gatto kot kotka kitten moggy poes felin
rabbit rabbits bunny kaninchen konijn lapin conejo krolik lagomorph oryctolagus
bird birds avian vogel oiseau ptak parrot budgie budgerigar wellensittich papagei
horse horses equine equus pferd paard cheval pony kon
hamster hamsters
guinea_pig guineapig meerschweinchen cavia cavy cavie
ferret frettchen fret furet fretka
reptile tortoise schildkrote turtle schildpad snake lizard reptil
rat rats ratte
mouse mice maus
chinchilla chinchillas
""".strip().splitlines()
        for word in line.split()
    }
)
"""A word for a species, in several languages, with VetBridge's own."""

NO_SPECIES = _set("other exotic unknown andere sonstige overig autre inne na none")
"""Words that say nothing of the species."""

BREEDS: Mapping[str, str] = MappingProxyType(
    {
        other.strip(): line.split("=")[0].strip()
        for line in """
german shepherd = gsd, alsatian, german shepherd dog, deutscher schaferhund, schaferhund, dsh dog
german shepherd = owczarek niemiecki, duitse herder, berger allemand
labrador retriever = lab, labrador, labbie, retriever labrador, black lab, chocolate lab, yellow lab
golden retriever = golden, goldie, retriever golden
domestic shorthair = dsh, dsh cat, moggy, moggie, european shorthair, ekh, europaisch kurzhaar, hauskatze
domestic shorthair = euro kurzhaar, europeen, europese korthaar, europejski, esh, domestic short hair
domestic shorthair = kurzhaar
domestic longhair = dlh, domestic long hair, langhaar
domestic medium hair = dmh, domestic mediumhair
british shorthair = bsh, bkh, britisch kurzhaar, british short hair, brit kurzhaar, britse korthaar
maine coon = mco, maine coon cat, mainecoon
jack russell terrier = jrt, jack russell, jack, jack russel, parson russell terrier, terrier jack russell
staffordshire bull terrier = staffie, staffy, sbt, staffordshire
west highland white terrier = westie, whwt, west highland terrier, west highland
yorkshire terrier = yorkie, york, yorki, yorkshire
border collie = collie, bc, border
french bulldog = frenchie, franzosische bulldogge, franz bulldogge, bouledogue francais, bulldogge franz
french bulldog = franse bulldog
english bulldog = englische bulldogge, bulldog
cavalier king charles spaniel = cavalier, ckcs, king charles, king charles spaniel, cav
english cocker spaniel = cocker, cocker spaniel, spaniel cocker
english springer spaniel = springer, ess, springer spaniel
dachshund = dackel, sausage dog, teckel, doxie, dachs, jamnik
poodle = pudel, caniche, poedel
standard poodle = grosspudel, konigspudel
miniature schnauzer = zwergschnauzer, mini schnauzer, schnauzer miniature
shih tzu = shihtzu, shitzu, shih zu
chihuahua = chi, chiwawa
cockapoo = cockerpoo, cocker x poodle, cocker poodle cross
labradoodle = lab x poodle
rottweiler = rottie, rotti
dobermann = doberman, dobie, dobermann pinscher
boxer = deutscher boxer, german boxer
bernese mountain dog = bernese, berner sennenhund, berner, bmd
great dane = deutsche dogge, dogge
weimaraner = weimar
vizsla = magyar vizsla, hungarian vizsla
rhodesian ridgeback = ridgeback
siberian husky = husky, sibirischer husky
bichon frise = bichon
beagle = beagel
pug = mops, carlin
whippet = whippet dog
mixed breed = mix, mixed, cross, crossbreed, mischling, mixbreed, kundel, kruising, croise, mongrel, x breed
mixed breed = xbreed, x, mutt, bitsa
siamese = siam, siamkatze
persian = perser, perserkatze
bengal = bengale, bengalkatze
ragdoll = rag doll
norwegian forest cat = norwegische waldkatze, nfo, norwegian forest
netherland dwarf = zwergkaninchen, farbenzwerg
mini lop = zwergwidder, dwarf lop, lop, widder
""".strip().splitlines()
        for other in [line.split("=")[0], *line.split("=")[1].split(",")]
    }
)
"""What a breed is called, folded, with one name for all of them."""

NO_NAME = _set("""
mr mrs ms miss mister dr prof professor sir lady lord rev herr herrn frau hr fr familie family fam pan pani
dhr mevr mw mme mlle monsieur madame dipl ing med vet esq vip do not call new address old deceased moved see
notes note credit bad debt debtor cash only slow payer neu alt adresse verzogen achtung nicht anrufen bitte
kunde kundin owner besitzer halter client the
""")
"""Words that stand in a name's field and are no part of the name."""

PARTICLES = _set("""
von van de der den del della di da du la le ten ter zu zum af av el al st saint mc mac
""")
"""Words that belong to the family name that follows."""
