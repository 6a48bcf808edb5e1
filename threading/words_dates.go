package threading

import "sync"

// monthWords are the beginnings of the names of the months in many languages,
// folded by [monthNames]; a name may go on with an ending.
var monthWords = [12]string{
	"january|januar|janvier|gennaio|enero|janeiro|gener|januari|tammikuu|stycz|ledna|leden|ianuarie|ιανουαρ|январ|січ|януари|ocak|ינואר|يناير|siječ|jaanuar|janvār|sausio|јануар",
	"february|februar|février|febbraio|febrero|fevereiro|febrer|februari|helmikuu|luteg|luty|února|únor|február|februarie|φεβρουαρ|феврал|лютого|лютий|февруари|şubat|פברואר|فبراير|veljač|veebruar|februār|vasar|фебруар",
	"march|märz|maerz|mars|marzo|março|març|maart|marts|maaliskuu|marca|marzec|března|březen|március|martie|μαρτι|март|берез|mart|marta|martie|מרץ|מרס|مارس|maret|ožuj|märts|kovo|kovas|marec",
	"april|avril|aprile|abril|huhtikuu|kwiet|dubna|duben|április|aprilie|απριλι|апрел|квіт|nisan|אפריל|أبريل|travnj|aprill|aprīl|baland|април",
	"mai|may|maggio|mayo|maio|maig|mei|maj|toukokuu|květ|mája|május|μαι|мая|май|трав|mayıs|מאי|مايو|svib|maij|gegu|maja|maju|мај",
	"june|juni|juin|giugno|junio|junho|juny|kesäkuu|czerwc|czerwiec|června|červen|júna|jún|június|iunie|ιουνι|июн|черв|юни|haziran|יוני|يونيو|lipnja|lipanj|juuni|jūnij|birželi|junij|juna|јун",
	"july|juli|juillet|luglio|julio|julho|juliol|heinäkuu|lipca|lipiec|července|červenec|júla|júl|július|iulie|ιουλι|июл|липн|юли|temmuz|יולי|يوليو|srpnja|srpanj|juuli|jūlij|liepos|liepa|julij|jula|јул",
	"august|août|agosto|agost|augustus|augusti|elokuu|sierp|srpna|srpen|augusztus|αυγουστ|август|серп|ağustos|אוגוסט|أغسطس|agustus|kolovoz|augusta|rugpjū|avgust|avgusta|август",
	"september|septembre|settembre|septiembre|setembro|setembre|syyskuu|wrześ|wrzes|září|szeptember|septembrie|σεπτεμβ|сентяб|верес|септември|eylül|ספטמבר|سبتمبر|rujna|rujan|septembr|rugsėj|септембар",
	"october|oktober|octobre|ottobre|octubre|outubro|lokakuu|październ|říjn|října|október|octombrie|οκτωβ|октяб|жовт|октомври|ekim|אוקטובר|أكتوبر|oktoober|oktobr|spali|октобар|oktobra",
	"november|novembre|noviembre|novembro|marraskuu|noiembrie|νοεμβ|нояб|ноември|kasım|נובמבר|نوفمبر|studen|novembr|lapkri|новембар",
	"december|dezember|décembre|dicembre|diciembre|dezembro|desembre|desember|joulukuu|grudnia|grudzień|prosin|decembrie|δεκεμβ|декаб|груд|декември|aralık|דצמבר|ديسمبر|detsember|decembr|gruod|децембар",
}

// shortMonths are abbreviations; nothing but a dot may follow.
var shortMonths = [12]string{
	"jan|janv|ene|gen|sty|янв|led", "feb|févr|fev|feb|fév|lut|фев|úno", "mar|mär|mrz|mrt|мар|bře", "apr|avr|abr|апр|dub|kwi", "may|mai|mag|maj|кве|mei",
	"jun|giu|июн|cze|juin", "jul|lug|juil|июл|lip", "aug|ago|août|авг|sie|srp", "sep|sept|set|сен|wrz|zář", "oct|okt|ott|out|окт|paź|říj", "nov|ноя", "dec|dez|dic|déc|des|дек|gru|pro",
}

var monthNames = sync.OnceValue(func() (names [12][]string) {
	for i := range monthWords {
		names[i] = splitFolded(monthWords[i])
	}
	return names
})

var monthAbbreviations = sync.OnceValue(func() (names [12][]string) {
	for i := range shortMonths {
		names[i] = splitFolded(shortMonths[i])
	}
	return names
})

// weekdayWords are the beginnings of the names of the days, Sunday first.
var weekdayWords = [7]string{
	"sunday|sonntag|dimanche|domenica|domingo|zondag|söndag|søndag|sunnuntai|niedziel|neděl|nedeľ|vasárnap|duminică|κυριακή|воскресень|неділ|pazar günü|nedjelj|nedelj|diumenge|pühapäev|svētdien|sekmadien",
	"monday|montag|lundi|lunedì|lunes|maandag|måndag|mandag|maanantai|poniedział|pondělí|pondelok|hétfő|luni|δευτέρα|понедельник|понеділ|pazartesi|ponedjelj|ponedelj|dilluns|esmaspäev|pirmdien|pirmadien",
	"tuesday|dienstag|mardi|martedì|martes|dinsdag|tisdag|tirsdag|tiistai|wtorek|wtork|úterý|utorok|kedd|marți|τρίτη|вторник|вівтор|salı|utorak|torek|dimarts|teisipäev|otrdien|antradien",
	"wednesday|mittwoch|mercredi|mercoledì|miércoles|woensdag|onsdag|keskiviik|środ|středa|středu|streda|szerda|miercuri|τετάρτη|среду|среда|серед|çarşamba|srijed|sreda|dimecres|kolmapäev|trešdien|trečiadien",
	"thursday|donnerstag|jeudi|giovedì|jueves|donderdag|torsdag|torstai|czwart|čtvrtek|čtvrtka|štvrtok|csütörtök|joi|πέμπτη|четверг|четвер|perşembe|četvrtak|četrtek|dijous|neljapäev|ceturtdien|ketvirtadien",
	"friday|freitag|vendredi|venerdì|viernes|vrijdag|fredag|perjantai|piąt|pátek|pátku|piatok|péntek|vineri|παρασκευή|пятниц|п'ятниц|cuma günü|petak|petek|divendres|reede|piektdien|penktadien",
	"saturday|samstag|sonnabend|samedi|sabato|sábado|zaterdag|lördag|lørdag|lauantai|sobot|szombat|sâmbătă|σάββατο|суббот|субот|cumartesi|subot|dissabte|laupäev|sestdien|šeštadien",
}

var weekdayNames = sync.OnceValue(func() (names [7][]string) {
	for i := range weekdayWords {
		names[i] = splitFolded(weekdayWords[i])
	}
	return names
})

// Words that stand in the clause before a date and say what it is. Longer ones
// end in a word; each is surrounded by spaces or begins a clause.
const (
	untilWords = "until|till|til|through|thru|up to|bis|bis zum|jusqu'au|jusqu'à|au|fino al|fino a|fino all'|sino al|hasta|hasta el|al|até|até ao|ao|fins al|fins|tot|tot en met|t/m|till och med|till|t.o.m.|til og med|til|t.o.m|do|az do|na|pana pe|pana la|pana in|pana|μεχρι|εως|до|по|kuni|lidz|iki|عند|حتى|الى|עד|至|到|den|sampai|hingga|zum|a|to|i|ate|an|ins"
	backWords  = "back|return|returning|again on|reachable|available from|read mail again|zuruck|wieder|de retour|retour|reprends|rientro|rientrero|tornero|torno|di nuovo|volvere|regreso|regresare|vuelvo|reincorpor|de volta|volto|regresso|retorno|retornarei|voltarei|tornare|terug|weer|tillbaka|ater|tilbage|tilbake|palaan|takaisin|wracam|wroce|powrot|zpet|vratim|spat|vissza|revin|intorc|reveni|επιστρεφω|επιστρεψω|επιστροφη|вернусь|вернус|выиду|поверну|върна|donecegim|donus|אחזור|אשוב|ساعود|返回|回来|回來|復帰|出社|복귀|tro lai|kembali|vracam|povrat|nazaj|vrnem|tagasi|atgriez|grisiu|griztu"
	afterWords = "まで|迄|까지|kadar|asti|saakka|-ig|ig |止|zurück|wieder|back|retour|より出社|から出社|に戻|復帰|출근|부터 출근|복귀|döneceğim|itibaren|返回|回来|恢复|alkaen taas"
)

var (
	untilSet = sync.OnceValue(func() []string { return splitFolded(untilWords) })
	backSet  = sync.OnceValue(func() []string { return splitFolded(backWords) })
	afterSet = sync.OnceValue(func() []string { return splitFolded(afterWords) })
)
