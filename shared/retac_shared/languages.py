"""Tells English from other languages in the Latin script by their commonest words.  Never judges single words or names."""

import re

# Of the other languages the words that English lacks, less those that stand in names: de, la, von, el.
COMMONEST = {
    "English": """the a an and or but of to in on at for with from by as is are was were be been am i you he she
    it we they me him her us them my your his our their this that these those not no yes do does did have has had
    will would can could should what who where when why how if so than then there here all any some about into up
    out just like know it's don't i'm you're that's he's she's we're they're let's can't won't""",
    "German": """der das und ist nicht ich sie wir ein eine einen einem mit auf für auch sich wie haben habe sind
    wird ihr ihnen euch uns dein mein guten abend heute morgen geht es danke bitte kein keine aber oder wenn dass
    noch schon sehr doch nur über können müssen wo warum wer""",
    "French": """le et une un pas que qui dans avec je tu il nous vous ils elles mon ce cette au aux du ne bonjour
    comment allez aujourd'hui merci où très bien être avoir suis êtes sont mais ou si tout fait c'est j'ai n'est
    qu'il d'un d'une""",
    "Spanish": """los las y es un una que en por para se su sus lo le más pero como cómo qué está están estás
    estoy soy eres muy bien hola gracias buenos buenas días usted ustedes nosotros tu yo él ella ellos cuando
    donde dónde también hoy todo""",
    "Italian": """il lo gli un una e è che non sono sei siamo stai sta ti si vi questo questa quello della dei
    delle nel nella anche più molto bene ciao buongiorno grazie oggi dove perché cosa tutto io tu noi""",
    "Portuguese": """os e é que não por para com se seu sua da das na mais mas como está estão eu você ele ela nós
    eles muito bem olá obrigado obrigada dia hoje onde quando também tudo ao isso isto são foi""",
    "Dutch": """het een en ik je jij hij zij wij niet dat met op zijn heb hebben heeft hoe gaat goed bedankt
    goedemorgen vandaag waar waarom maar ook naar nog wel geen deze dit ons jullie u bent""",
    "Swedish": """och att det är en ett du vi inte som på för med till hade hur mår tack hej idag varför också
    mycket din""",
    "Danish or Norwegian": """og det er en et jeg du hun vi ikke som på for med af hadde hvordan går takk hei hej
    dag hvor hvorfor også meget veldig din""",
    "Polish": """w na nie się z że jest jak ale dla po jestem jesteś dzień dobry dziękuję proszę gdzie kiedy
    dlaczego bardzo tylko już czy ja ona wy oni dzisiaj""",
    "Turkish": """bir da için ne çok siz onlar değil yok nasılsın nasıl merhaba teşekkür ederim günaydın bugün
    nerede neden ama gibi daha mı""",
    "Indonesian": """yang ini itu dengan untuk tidak dari saya kamu anda kami kita mereka apa bagaimana kabar
    selamat pagi terima kasih hari sudah akan bisa juga""",
}
WORDS = {language: frozenset(words.split()) - set("bcdefghjklmnopqrstuvwxyz") for language, words in COMMONEST.items()}
FEWEST = 3  # words from which a text can be told


def foreign(text: str) -> str:
    """Gives the language that the text reads as; "" for English and for what cannot be told.

    Two different words at least, and a quarter of all, must be another language's, and more of them than English ones.
    A serial number's letters and letters that stand alone, as in a spelled name, are no words of any.
    """
    found = re.findall(r"\b[^\W\d_]+(?:'[^\W\d_]+)*\b", text.lower().replace("’", "'"))
    if len(found) < FEWEST:
        return ""
    hits = {language: sum(word in words for word in found) for language, words in WORDS.items()}
    english = hits.pop("English")
    language = max(hits, key=lambda name: hits[name])
    different = len(WORDS[language].intersection(found))
    return language if different > 1 and hits[language] >= max(english + 1, len(found) / 4) else ""
