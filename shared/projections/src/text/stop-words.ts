/**
 * Words that structure a sentence instead of naming its subject: articles, pronouns, prepositions,
 * conjunctions, auxiliary verbs, question words. The lists are short on purpose: a stop word cannot be
 * found, and a common word weighs little anyway. English keeps words of time, such as `now` and `before`,
 * since the question where somebody lives now depends on them. All words are folded by `fold`.
 */
export const STOP_WORDS = {
  ar: `من في على الي عن ان هذا هذه ذلك تلك التي الذي الذين ما لا لم لن قد كان كانت هو هي هم نحن انا انت
    مع او ثم كل بعد قبل عند هل كيف متي اين لماذا ماذا اي يا ال و ف ب ل ك اذا حتي منذ بين فيه فيها له لها`,
  da: `og i jeg det at en den til er som pa de med han af for ikke der var mig sig men et har om vi min
    havde ham hun nu over da fra du ud sin dem os op man hans hvor eller hvad skal selv her alle vil blev
    kunne ind nar vaere dog noget ville deres efter ned skulle denne end dette mit ogsa under have dig
    anden hende mine alt meget sit sine vor mod disse hvis din nogle hos blive mange ad bliver hendes
    vaeret thi jer sadan hvem hvornar hvorfor hvordan hvilken hvilket hvilke`,
  de: `aber alle allem allen aller alles als also am an auch auf aus bei beim bin bis bist da damit dann
    das dass dein deine deinem deinen deiner dem den denn der des die dies diese diesem diesen dieser
    dieses doch du durch ein eine einem einen einer eines er es euch euer eure fur hab habe haben hat
    hatte hatten hatte ich ihm ihn ihnen ihr ihre ihrem ihren ihrer im in ins ist ja kann kein keine
    keinen konnen man mein meine meinem meinen meiner mich mir mit nach nicht noch nun nur ob oder sein
    seine seinem seinen seiner sich sie sind so soll sonst uber um und uns unser unsere unter vom von vor
    war waren warum was weil welche welchem welchen welcher welches wem wen wenn wer werde werden wie wir
    wird wo woher wohin wurde wurden zu zum zur wann wieviel`,
  el: `ο η το οι τα του τησ των τον την και κι να θα δεν μη μην που πωσ ποτε ποιοσ ποια ποιο τι γιατι
    σε στο στη στην στον στα στουσ στισ απο με για ωσ αν αλλα ειναι ειμαι εισαι ηταν εχω εχει εχουν μου
    σου μασ σασ τουσ τισ αυτο αυτη αυτοσ εγω εσυ εμεισ ενασ μια ενα δε κατα μετα προσ οτι οταν πολυ πιο`,
  en: `i me my myself we our ours ourselves you your yours yourself yourselves he him his himself she her
    hers herself it its itself they them their theirs themselves what which who whom this that these those
    am is are was were be been being have has had having do does did doing a an the and but if or because
    as until while of at by for with about against between into through during above below
    to from up down in out on off over under again further once here there when where why how all any
    both each few more most other some such no nor not only own same so than too very can will just don
    should would could whose`,
  es: `de la que el en y a los del se las por un para con no una su al lo como mas pero sus le ya o este si
    porque esta entre cuando muy sin sobre tambien me hasta hay donde quien desde todo nos durante todos
    uno les ni contra otros ese eso ante ellos e esto mi antes algunos que unos yo otro otras otra el tanto
    esa estos mucho quienes nada muchos cual poco ella estar estas algunas algo nosotros mi mis tu te ti tu
    tus ellas nosotras vosotros os mio mia es soy eres somos son era eran fue fueron ser estoy estan estaba
    he has ha hemos han habia tengo tiene cuantos cuantas cuanto cual cuales`,
  fi: `ja on ei se etta joka ole oli han mutta ovat kun niin kuin tai myos mika mita missa milloin miksi
    miten kuka kenen mina sina me te he minun sinun hanen meidan teidan heidan minua minulla sinulla
    hanella tama tuo nama ne sen sita siita siina jos koska vaan olen olet olemme olette olivat ollut
    olisi en et emme ette eivat joita jotka jonka jossa mihin mista mitka nyt viela jo vain kanssa`,
  fr: `au aux avec ce ces cet cette dans de des du elle elles en et eux il ils je la le les leur leurs lui
    ma mais me meme mes moi mon ne nos notre nous on ou par pas pour qu que quel quelle quelles quels qui
    quoi sa se ses son sont sur ta te tes toi ton tu un une vos votre vous c d j l m n s t y ete etre suis
    es est sommes etes etait etaient ai as avons avez ont avait avaient comment quand pourquoi combien
    donc or ni car si est plus tres aussi`,
  hu: `a az es egy hogy nem is ez azt ezt ki mi te en o mit mikor hol hova honnan miert hogyan melyik van
    volt vannak voltak lesz lett meg el be fel le csak de ha mert vagy mint mar meg nagyon minden ott itt
    aki ami amely amit akkor majd en engem nekem neked neki nekunk az ahhoz ehhez arra erre azzal ezzal
    vagyok vagy vagyunk vele`,
  id: `yang dan di ke dari untuk dengan pada ini itu adalah ada tidak bukan saya aku kamu anda dia ia kami
    kita mereka nya akan telah sudah sedang masih juga atau tetapi karena jika kalau oleh dalam sebagai
    apa siapa kapan mana bagaimana mengapa kenapa berapa lebih sangat bisa dapat hanya lagi saat`,
  it: `a ad al allo ai agli alla alle con col da dal dallo dai dalla dalle di del dello dei degli della
    delle in nel nello nei negli nella nelle su sul sullo sui sulla sulle per tra contro io tu lui lei noi
    voi loro mio mia miei mie tuo tua tuoi tue suo sua suoi sue nostro nostra vostro vostra mi ti ci vi lo
    la li le gli ne il un uno una ma ed se perche anche come dov dove che chi cui non piu quale quali
    quanto quanti quanta quante quello quella questo questa questi queste si tutto tutti e o i l d c sono
    sei siamo siete era erano fu ho hai ha abbiamo avete hanno aveva avevano quando cosa essere stato`,
  nl: `de en van ik te dat die in een hij het niet zijn is was op aan met als voor had er maar om hem dan zou
    of wat mijn men dit zo door over ze zich bij ook tot je mij uit der daar haar naar heb hoe heeft hebben
    deze u want nog zal me zij nu ge geen omdat iets worden toch al waren veel meer doen toen moet ben
    zonder kan hun dus alles onder ja werd wezen zelf tegen na reeds wil kon niets uw iemand geweest andere
    wie waar wanneer waarom welke welk wij we ons onze jij jullie jouw`,
  no: `og i jeg det at en et den til er som pa de med han av ikke der sa var meg seg men ett har om vi min
    mitt ha hadde hun na over da ved fra du ut sin dem oss opp man kan hans hvor eller hva skal selv sjol
    her alle vil bli ble blitt kunne inn nar vaere kom noen noe ville dere deres kun ja etter ned skulle
    denne for deg si sine sitt mot meget hvorfor dette disse uten hvordan ingen din ditt blir samme hvilken
    hvilke sann inni mellom var hver hvem vors hvis bade bare enn fordi for mange ogsa slik vaert begge
    siden henne hennes`,
  pt: `de a o que e do da em um para com nao uma os no se na por mais as dos como mas ao ele das a seu sua
    ou quando muito nos ja eu tambem so pelo pela ate isso ela entre depois sem mesmo aos seus quem nas me
    esse eles voce essa num nem suas meu as minha numa pelos elas qual nos lhe deles essas esses pelas este
    dele tu te voces vos lhes meus minhas teu tua teus tuas nosso nossa nossos nossas dela delas esta estes
    estas aquele aquela isto aquilo estou estamos estao estava sou somos sao era eram fui foi foram ser
    tenho tem temos tinha onde porque quanto quantos quantas quais`,
  ro: `si in la cu de pe un o este sunt a ai al ale am ar are as au ca care ce cel cea cei cele cine cand
    cum cat cata cati cate da dar de din dintre el ea ei ele eu fi fost iar il imi isi iti ii le li lor lui
    mai ma mi meu mea mei mele ne nici noi noastra nostru nu pentru prin sa sau se spre sub sunt te ti tu
    tau ta tai tale unde unei unor unui va vi voi vostru era erau avea daca decat foarte intre`,
  ru: `и в во не что он на я с со как а то все она так его но да ты к у же вы за бы по только ее мне было вот
    от меня еще нет о из ему теперь когда даже ну ли если уже или ни быть был него до вас нибудь опять уж
    вам ведь там потом себя ничего ей может они тут где есть надо ней для мы тебя их чем была сам чтоб без
    будто чего раз тоже себе под будет ж тогда кто этот того потому этого какой какая какое какие совсем
    ним здесь этом один почти мой моя мое мои тем чтобы нее сейчас были куда зачем всех при об другой хоть
    после над больше тот через эти нас про них много разве эту свою этой перед`,
  sv: `och det att i en jag hon som han pa den med var sig for sa till ar men ett om hade de av icke mig du
    henne da sin nu har inte hans honom skulle hennes dar min man ej vid kunde nagot fran ut nar efter upp
    vi dem vara vad over an dig kan sina har ha mot alla under nagon eller allt mycket sedan ju denna sjalv
    detta at utan varit hur ingen mitt ni bli blev oss din dessa nagra deras blir mina samma vilken er
    sadan var blivit dess inom mellan sadant varfor varje vilka ditt vem vilket sitt sadana vart dina vars
    vart varas eran`,
  tr: `ve bir bu da de icin ile ne o mi mu ama gibi cok daha en ben sen biz siz onlar beni seni onu bizi sizi
    bana sana ona bize size benim senin onun bizim sizin onlarin ki veya ya eger hangi kim kime kimin nasil
    neden nerede nereye nereden niye var yok degil her hem hic ise kadar sonra once sey su ne zaman
    ediyor oldu olarak olan`,
  uk: `і й в у на з із зі до від за по про не що як це та а але або чи ні так я ти він вона воно ми ви вони
    мене тебе його її нас вас їх мені тобі йому їй нам вам їм мій моя моє мої твій твоя твоє твої свій своя
    своє свої наш наша ваш ваша цей ця ці той те ті хто де коли чому який яка яке які куди звідки скільки
    бути був була було були є буде бо якщо щоб коли вже ще тільки лише для при над під між через після перед`,
} as const satisfies Readonly<Record<string, string>>;
