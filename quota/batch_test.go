package quota

import (
	"slices"
	"testing"
)

// However the bytes of a batch arrive, the same refusals are found, and what is
// kept of them stays bounded.
func FuzzPartWatch(f *testing.F) {
	f.Add([]byte("--b\r\nContent-Type: application/http\r\n\r\nHTTP/1.1 429 Too Many\r\nRetry-After: 3\r\n\r\n{}\r\n--b--\r\n"), uint8(7))
	f.Add([]byte("HTTP/1.1 403 x\n\n{\"error\":{\"errors\":[{\"reason\":\"rateLimitExceeded\"}]}}\n--b\nHTTP/2 200\n"), uint8(1))
	f.Add([]byte("--\nHTTP/\nHTTP/1.1 503\n--x--"), uint8(3))
	f.Fuzz(func(t *testing.T, data []byte, step uint8) {
		read := func(step int) ([]refusal, bool) {
			w := &partWatch{date: "Tue, 12 Nov 2024 11:00:00 GMT"}
			var found []refusal
			for chunk := range slices.Chunk(data, step) {
				found = append(found, w.write(chunk)...)
				if len(w.line) > maxLine || len(w.body) > maxPart {
					t.Fatalf("keeps %d and %d bytes", len(w.line), len(w.body))
				}
			}
			return append(found, w.end()...), w.passed()
		}
		whole, wholePassed := read(len(data) + 1)
		parts, partsPassed := read(int(step) + 1)
		if !slices.Equal(whole, parts) || wholePassed != partsPassed {
			t.Errorf("in one piece %v, %v; in pieces of %d %v, %v", whole, wholePassed, step, parts, partsPassed)
		}
		if wholePassed && len(whole) > 0 {
			t.Error("a batch with refusals passed")
		}
	})
}
