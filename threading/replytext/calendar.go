package replytext

import (
	"strings"
	"time"
)

// months are the names and short forms of the months in many languages, in
// lower case and in the cases in which dates use them.
var months = index(map[time.Month]string{
	time.January: `jan january januar jän jänner janv janvier ene enero gen gennaio gener januari jaan jaanuar
		led leden ledna sty stycznia styczeń január januára ian ianuarie ιαν ιανουαρίου янв января январь січ січня
		яну януари јан јануар oca ocak ינואר ינו يناير sij siječnja siječanj saus sausio janvāris tammik tammikuuta
		janeiro xan जनवरी जन ม.ค มกราคม`,
	time.February: `feb february februar feber febr fév févr février fevr febrero febbraio febrer februari veebr veebruar
		úno únor února lut lutego luty február februára februarie φεβ φεβρουαρίου фев февр февраля февраль лют лютого
		февруари феб фебруар şub şubat פברואר פבר فبراير velj veljače veljača vas vasario februāris helmik helmikuuta
		fev fevereiro फ़रवरी फरवरी फ़र ก.พ กุมภาพันธ์`,
	time.March: `mar march mär märz mrz mars marzo març maart mrt mart märts bře březen března marca marzec márc március
		martie μαρ μάρ μαρτίου мар марта март бер березня מרץ מרס مارس ožu ožujka ožujak kov kovo marts maalisk
		maaliskuuta março maret मार्च มี.ค มีนาคม`,
	time.April: `apr april avr avril abr abril aprile dub duben dubna kwi kwietnia kwiecień ápr április apríla aprilie
		απρ απριλίου апр апреля апрель квіт кві квітня април nis nisan אפריל אפר أبريل ابريل إبريل tra travnja travanj
		bal balandžio aprīlis huhtik huhtikuuta aprill apríl अप्रैल เม.ย เมษายน`,
	time.May: `may mai mayo mag maggio maig maj mei kvě květen května maja máj május mája μαΐ μαϊ μάι μαΐου мая май
		трав тра травня мај mayıs מאי مايو svi svibnja svibanj geg gegužės maijs toukok toukokuuta maio maí मई พ.ค พฤษภาคม`,
	time.June: `jun june juni juin junio giu giugno juny juuni čvn červen června cze czerwca czerwiec jún június júna
		iun iunie ιουν ιουνίου июн июня июнь чер черв червня юни јун haz haziran יוני يونيو lipnja lipanj birž birželio
		jūnijs kesäk kesäkuuta junho xuñ जून มิ.ย มิถุนายน`,
	time.July: `jul july juli juil juillet julio lug luglio juliol juuli čvc červenec července lipca lipiec júl július júla
		iul iulie ιουλ ιουλίου июл июля июль липня юли јул tem temmuz יולי يوليو srpnja srpanj liep liepos jūlijs heinäk
		heinäkuuta julho xul जुल जुलाई ก.ค กรกฎาคม`,
	time.August: `aug august août aoû ago agosto ag agost augustus agustus agu agt srpen srpna sie sierpnia sierpień
		augusztus augusta αυγ αυγούστου авг августа август сер серп серпня avg avgust ağu ağustos אוגוסט אוג أغسطس kolovoza
		kolovoz rugp rugpjūčio augusts elok elokuuta augusti ágú ágúst अग अगस्त ส.ค สิงหาคม`,
	time.September: `sep sept september septembre septiembre set settembre setembre zář září wrz września wrzesień szept
		szeptember septembra septembrie σεπ σεπτεμβρίου сен сент сентября сентябрь вер вересня септември септ сеп септембар
		eyl eylül ספטמבר ספט سبتمبر ruj rujna rujan rugs rugsėjo septembris syysk syyskuuta setembro सित सितंबर ก.ย กันยายน`,
	time.October: `oct october oktober octobre octubre ott ottobre okt oktoober říj říjen října paź października październik
		október októbra octombrie οκτ οκτωβρίου окт октября октябрь жовт жов жовтня октомври октобар eki ekim אוקטובר אוק
		أكتوبر spal spalio oktobris lokak lokakuuta out outubro अक्टू अक्टूबर ต.ค ตุลาคม`,
	time.November: `nov november novembre noviembre noi noiembrie novembra νοε νοέ νοεμβρίου ноя нояб ноября ноябрь
		ное ноември нов новембар kas kasım נובמבר נוב نوفمبر stu studenoga studenog studeni lapkr lapkričio novembris
		marrask marraskuuta novembro nóv नव नवंबर พ.ย พฤศจิกายน`,
	time.December: `dec december dez dezember déc décembre dic diciembre dicembre des desembre desember dets detsember
		pro prosinec prosince gru grudnia grudzień decembra decembrie δεκ δεκεμβρίου дек декабря декабрь груд гру грудня
		декември дец децембар ara aralık דצמבר דצמ ديسمبر prosinca prosinac gruod gruodžio decembris jouluk joulukuuta
		dezembro दिस दिसंबर ธ.ค ธันวาคม`,
})

// slavicMonths are names that mean another month in Croatian than in the
// languages north of it. They count only when the language is known.
var slavicMonths = map[string]struct{ croatian, northern time.Month }{
	"lis":       {time.October, time.November},
	"listopad":  {time.October, time.November},
	"listopada": {time.October, time.November},
	"srp":       {time.July, time.August},
	"lip":       {time.June, time.July},
	"лис":       {time.October, time.November},
	"лист":      {time.October, time.November},
	"листопада": {time.October, time.November},
	"лип":       {time.June, time.July},
}

// month returns the month that a word names.
func month(word, lang string) (time.Month, bool) {
	if m, ok := slavicMonths[word]; ok {
		switch lang {
		case "hr":
			return m.croatian, true
		case "pl", "cs", "uk":
			return m.northern, true
		}
		return 0, false
	}
	if m, ok := months[word]; ok {
		return m, true
	}
	rest, ok := strings.CutPrefix(word, "ב") // Hebrew: "in March" is one word
	if !ok {
		return 0, false
	}
	m, ok := months[rest]
	return m, ok
}

// weekdays are the names and short forms of the days of the week. Forms that
// mean different days in different languages are left out.
var weekdays = index(map[time.Weekday]string{
	time.Monday: `mon monday mo montag lun lundi lunes lunedì seg segunda segunda-feira ma maandag mån måndag man mandag
		maanantai maanantaina pon poniedziałek pondělí hétfő luni δευ δευτέρα пн понедельник понеділок понеделник pzt pazartesi
		ponedjeljak ponedeljek dilluns dl senin sen esmaspäev pirmd pr`,
	time.Tuesday: `tue tues tuesday di dienstag mar mardi martes martedì ter terça terça-feira dinsdag tis tisdag tir tirs
		tirsdag ti tiistai tiistaina wt wtorek út úterý ut utorok kedd marți τρί τρι τρίτη вт вторник вівторок sal salı uto
		utorak torek dimarts dt selasa sel otrd an`,
	time.Wednesday: `wed wednesday mi mittwoch mer mercredi mié miércoles mercoledì qua quarta quarta-feira wo woensdag ons
		onsdag ke keskiviikko keskiviikkona śr środa středa streda sze szerda mie miercuri τετ τετάρτη ср среда середа сряда
		çar çarşamba sri srijeda sreda dimecres dc rabu rab trešd`,
	time.Thursday: `thu thur thurs thursday do donnerstag jeu jeudi jue jueves gio giovedì qui quinta quinta-feira donderdag
		tors torsdag to torstai torstaina czw czwartek čt čtvrtek št štvrtok csüt csütörtök joi πέμ πεμ πέμπτη чт четверг
		четвер четвъртък perşembe čet četvrtak četrtek dijous dj kamis kam ceturtd`,
	time.Friday: `fri friday fr freitag ven vendredi vie viernes venerdì sex sexta sexta-feira vr vrijdag fre fredag pe
		perjantai perjantaina pt piątek pá pátek pi piatok péntek vin vineri παρ παρασκευή пт пятница п’ятниця петък cum cuma
		pet petak petek divendres dv jumat jum piektd`,
	time.Saturday: `sat saturday sa samstag sonnabend sam samedi sáb sab sábado sabato za zaterdag lör lördag lør lørdag la
		lauantai lauantaina sob sobota szo szombat sâm sâmbătă σάβ σαβ σάββατο сб суббота субота събота cmt cumartesi sub
		subota dissabte ds sabtu sestd`,
	time.Sunday: `sun sunday sonntag dim dimanche dom domingo domenica zo zondag sön söndag søn søndag su sunnuntai
		sunnuntaina niedz niedziela ndz neděle nedeľa vasárnap dum duminică κυρ κυριακή вс воскресенье нд неділя неделя paz
		pazar ned nedjelja nedelja diumenge dg minggu min svētd`,
})

// index turns lists of words by meaning into a table of meanings by word.
func index[T comparable](lists map[T]string) map[string]T {
	table := make(map[string]T)
	for meaning, list := range lists {
		for word := range strings.FieldsSeq(list) {
			table[word] = meaning
		}
	}
	return table
}

// zones are the abbreviations of time zones that mean one thing, in seconds
// east of UTC: those of RFC 5322, 4.3, and those of central Europe.
var zones = map[string]int{
	"utc": 0, "gmt": 0, "z": 0, "ut": 0,
	"est": -5 * 3600, "edt": -4 * 3600, "mst": -7 * 3600, "mdt": -6 * 3600, "pst": -8 * 3600, "pdt": -7 * 3600,
	"cet": 3600, "cest": 7200, "mez": 3600, "mesz": 7200,
}
