package sign

import (
	"time"

	"github.com/autosign-dns/autosign/plugin/policy"
)

// NextSerial returns the serial of the next version: the greatest of the last
// serial plus one, the scheme's value and the source's serial, in the order of
// RFC 1982, and always after the last one. Without a last serial the source's
// takes its place: secondaries may have the unsigned zone with that serial, and
// the signed one must look newer. Zero is left out, since some software takes
// it for "no serial".
func NextSerial(scheme policy.SerialScheme, last uint32, hasLast bool, source uint32, now time.Time) uint32 {
	if !hasLast {
		last = source
	}
	next := last + 1
	if next == 0 {
		next = 1
	}
	candidates := []uint32{source}
	switch scheme {
	case policy.SerialUnixTime:
		candidates = append(candidates, uint32(now.Unix()))
	case policy.SerialDate:
		y, m, d := now.UTC().Date()
		candidates = append(candidates, uint32(((y*100+int(m))*100+d)*100))
	}
	for _, c := range candidates {
		// Compared by their distance from the last one: the order of RFC 1982 is not transitive.
		if c != 0 && SerialAfter(c, last) && c-last > next-last {
			next = c
		}
	}
	return next
}

// SerialAfter reports whether a comes after b in the order of RFC 1982 section 3.2.
func SerialAfter(a, b uint32) bool { return a != b && a-b < 1<<31 }
