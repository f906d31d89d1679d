package answer

import (
	"bytes"
	"testing"
)

// A response depends on its question alone, not on what the same memory was
// used for before: after each question every other one is answered as ever.
func TestResponder_RemembersNothing(t *testing.T) {
	for _, m := range modes {
		s := corners(t, m)
		var used Responder
		for _, text := range questions(t) {
			q := query(t, text)
			for _, size := range []int{maxMessage, minMessage} {
				q.MaxSize = size
				want, wantResult := Append(nil, s, q)
				got, result := used.Append(nil, s, q)
				if !bytes.Equal(got, want) || result != wantResult {
					t.Errorf("%s, %s, %d octets: %+v, want %+v", m.name, text, size, result, wantResult)
				}
			}
		}
		if used.r.s != nil || used.r.buf != nil || used.r.q.Name != nil {
			t.Error("the responder keeps the zone, the message or the question alive")
		}
	}
}
