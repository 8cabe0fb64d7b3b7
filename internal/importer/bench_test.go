package importer_test

import (
	"os"
	"testing"

	"hansard/internal/importer"
)

// BenchmarkImport imports the file that HANSARD_TEST_IMPORT names, or a made
// one, from the upload to the end.
func BenchmarkImport(b *testing.B) {
	file := bigFile(100_000)
	if name := os.Getenv("HANSARD_TEST_IMPORT"); name != "" {
		content, err := os.ReadFile(name)
		if err != nil {
			b.Fatal(err)
		}
		file = string(content)
	}
	messages := int64(0)
	for b.Loop() {
		b.StopTimer()
		p := newPlace(b)
		b.StartTimer()
		messages += p.mustImport(b, file, importer.FileOptions{}).Counts.Messages
	}
	b.ReportMetric(float64(messages)/b.Elapsed().Seconds(), "messages/s")
}
