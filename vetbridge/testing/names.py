"""The names that the made-up clinic draws from: composed for this project, of no real clinic or person.

Each list begins with its most common names: the generator draws the first ones often and the last ones rarely, as in
a real card index. Hyphens, apostrophes, particles and letters beyond ASCII are there on purpose.
"""

from __future__ import annotations


def _words(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.replace("\n", ",").split(",") if name.strip())


FAMILY_NAMES = _words("""
Smith, Jones, Taylor, Brown, Williams, Wilson, Johnson, Davies, Patel, Robinson
Wright, Thompson, Evans, Walker, White, Roberts, Green, Hall, Wood, Khan
Jackson, Clarke, Harris, Lewis, Clark, Ahmed, Turner, Hill, Scott, Cooper
Morris, Ward, Moore, King, Watson, Baker, Harrison, Morgan, Singh, Young
Allen, Mitchell, James, Anderson, Phillips, Lee, Bell, Parker, Davis, Bennett
Miller, Cook, Shaw, Campbell, O'Brien, Murphy, Kelly, Kowalski, Nowak, Novak
Begum, Hughes, Carter, Murray, Price, Richardson, Gray, Stewart, Reid, Ross
MacDonald, McKenzie, McCarthy, O'Connor, O'Neill, Byrne, Doyle, Walsh, Fitzgerald, Gallagher
Popescu, Ionescu, Petrov, Ivanova, Kovalenko, Shevchenko, Zieliński, Wiśniewska, Dvořák, Svoboda
Müller, Schröder, Jäger, Weiß, Köhler, Krüger, Hoffmann, Lindqvist, Åkesson, Sørensen
Jørgensen, Nygård, Mäkinen, Virtanen, Horváth, Szabó, Kovács, Nagy, Yılmaz, Öztürk
García, Fernández, López, Núñez, de la Cruz, del Río, Santos, Gonçalves, da Silva, Araújo
Rossi, Bianchi, D'Angelo, De Luca, Lefèvre, Dubois, Moreau, van Dijk, van den Berg, de Vries
Papadopoulos, Georgiou, Nguyen, Tran, Chen, Wang, Zhang, Wong, Tanaka, Kim
Okafor, Adeyemi, Mensah, Nkosi, Hussain, Rahman, Chowdhury, Sharma, Kaur, Fernando
Smythe, Smith-Jones, Hartley-Brown, Lloyd-Williams, Ferguson-Reid, St. Clair, Featherstone, Cholmondeley
Ravenscroft, Blackwood, Pemberton, Ashdown
""")

FEMALE_NAMES = _words("""
Emma, Sarah, Anna, Laura, Charlotte, Emily, Rachel, Hannah, Rebecca, Lucy
Claire, Helen, Jessica, Amy, Sophie, Victoria, Karen, Nicola, Olivia, Grace
Megan, Chloe, Julie, Alison, Catherine, Katherine, Elizabeth, Joanne, Priya, Fatima
Aisha, Mary, Margaret, Susan, Fiona, Siobhán, Niamh, Eilidh, Eva, Ewa
Agnieszka, Katarzyna, Zoë, Chloé, Mei, Yuki, María, Inês, Lucía, Giulia
Anne-Marie, Mary-Jane, Heike, Jördis, Åsa, Łucja, Oluchi, Amara, Wanjiru, Tuğba
""")

MALE_NAMES = _words("""
James, John, David, Michael, Thomas, Daniel, Robert, Paul, Mark, Andrew
Matthew, Christopher, Peter, Richard, Stephen, Ben, Jack, Adam, Luke, Harry
Oliver, George, William, Simon, Tom, Sam, Joseph, Mohammed, Ali, Imran
Raj, Arjun, Ian, Kevin, Neil, Seán, Ciarán, Rhys, Gareth, Hamish
Piotr, Tomasz, Jan, Pavel, Marek, Jürgen, Björn, Søren, José, Andrés
João, Marco, Luca, Jean-Pierre, Karl-Heinz, Wei, Hiroshi, Kwame, Tunde, Emre
""")

PET_NAMES = _words("""
Bella, Luna, Charlie, Poppy, Alfie, Max, Milo, Daisy, Teddy, Coco
Buddy, Molly, Ruby, Lola, Rosie, Oscar, Bailey, Willow, Archie, Barney
Tilly, Rex, Toby, Jasper, Simba, Cleo, Smokey, Tigger, Felix, Misty
Oreo, Shadow, Ginger, Socks, Pepper, Honey, Millie, Ollie, Monty, Winston
Rufus, Biscuit, Cookie, Marley, Murphy, Nala, Loki, Thor, Zeus, Rocky
Bruno, Jess, Meg, Fudge, Pickle, Peanut, Hazel, Maple, Olive, Clover
Thumper, Flopsy, Snowy, Patch, Domino, Bramble, Heather, Bracken, Ziggy, Gizmo
Pixie, Stella, Roxy, Sasha, Bonnie, Skye, Storm, Lady, Duke, Prince
Princess, Angel, Sooty, Tinkerbell, Mr. Tibbs, Lady Jane, Sir Barks, Bubbles, Nemo, Kiwi
Mango, Chilli, Waffle, Noodle, Sushi, Mochi, Tofu, Pierogi, Schnitzel, Käthe
Søda, Fräulein, Señor, Zoé, Ñoño, Łatek, Ciastek, D'Artagnan, O'Malley, Jean-Luc
Mitzi-Lou, Snowball II, Hector, Ptolemy, Quince, Wren, Juno, Ulysses, Ophelia, Bartholomew
""")

DOG_BREEDS = _words("""
Labrador Retriever, Cockapoo, French Bulldog, Border Collie, Cocker Spaniel, Jack Russell Terrier, Crossbreed, Pug
German Shepherd, Golden Retriever, Whippet, Miniature Schnauzer, Dachshund, Staffordshire Bull Terrier
""")

CAT_BREEDS = _words("""
Domestic Shorthair, Domestic Longhair, British Shorthair, Ragdoll, Maine Coon, Siamese, Bengal, Persian
""")

RABBIT_BREEDS = _words("Netherland Dwarf, Mini Lop, Lionhead, Crossbreed Rabbit")

OTHER_BREEDS = _words("Guinea Pig, Syrian Hamster, Ferret, Hermann's Tortoise, Budgerigar")

STAFF_NAMES = ("Dr. Helen Marsh", "Dr. Owen Pryce", "Dr. Ingrid Solberg", "Dr. Samir Haddad")
