package main

import "strings"

// What made chats talk about.
var (
	words = strings.Fields(`anchor autumn balance basket battery beacon border bottle branch breeze bridge bucket button cable
		candle canvas carbon castle cedar chapter cluster coast compass copper corner cotton current danger decimal deploy
		desert detail engine error export fabric falcon feature figure filter forest garden gather geyser glacier granite
		hammer harbour horizon import island jacket kettle ladder lantern ledger lemon library magnet marble market meadow
		meeting message mirror module morning network number office orange packet paper pencil planet pocket query quiet
		record release report river rocket sample search second server shadow signal silver snapshot socket spring station
		stream summer table tomorrow tower tunnel update valley vector village window winter yellow zebra`)
	names    = strings.Fields("Amara Björn Chiara Diego Eitan Fatima Goran Hana Ines Jun Kofi Leila Mateo Nadia Oleg Priya Quentin Rosa Sanjay Tomás")
	surnames = strings.Fields("Okafor Halvorsen Conti Ramos Levy Haddad Novak Sato Almeida Park Mensah Karimi Silva Ivanova Petrov Rao Dubois Marín Gupta Kovács")

	reactions = []string{"like", "love", "haha", "wow", "sad", "thumbs_up"}

	// awkward texts have what encoders and readers get wrong.
	awkward = []string{
		"👩‍👩‍👧‍👦 family, 🏳️‍🌈 flag", "שלום, מה שלומך?", "مرحبا بالعالم", "日本語のテキスト", "</script><b>&amp;</b>", "line\u2028and\u2029paragraph",
		`quotes " and \ backslashes`, "tabs\tand\nnew\r\nlines", "cafe\u0301 is not café", "control \u0001 and delete \u007f", "'=SUM(A1:A9)", "",
	}
)
