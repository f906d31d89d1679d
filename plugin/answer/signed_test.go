package answer

import (
	"encoding/binary"
	"testing"
)

func TestLifetime_OfForeignSignaturesTheValidOnesCount(t *testing.T) {
	const now = 1_800_000_000
	rrsig := func(expiration uint32) []byte {
		return binary.BigEndian.AppendUint32(make([]byte, 8), expiration)
	}
	for _, c := range []struct {
		name    string
		foreign [][]byte
		want    uint32
	}{
		{"none", nil, 3600},
		{"far", [][]byte{rrsig(now + 86400)}, 3600},
		{"near", [][]byte{rrsig(now + 86400), rrsig(now + 60)}, 60},
		{"expired beside valid", [][]byte{rrsig(now - 60), rrsig(now + 86400)}, 3600},
		{"expired", [][]byte{rrsig(now - 60)}, 0},
	} {
		r := &responder{progress: progress{q: Query{Now: now}}}
		if got := r.lifetime(&signedSet{foreign: c.foreign}, 3600); got != c.want {
			t.Errorf("%s: TTL %d, want %d", c.name, got, c.want)
		}
	}
}
