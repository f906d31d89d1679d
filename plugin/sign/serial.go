package sign

import (
	"time"

	"github.com/autosign-dns/autosign/plugin/policy"
)

// NextSerial returns the serial of the next version: the greatest of the
// scheme's value, the last serial plus one and the source's serial, where
// greater is meant in the order of RFC 1982 and after the last one. Without a
// last serial the source's takes its place: the unsigned zone may be known to
// secondaries, and the signed one must look newer. Zero is left out, since some
// software takes it for "no serial".
func NextSerial(scheme policy.SerialScheme, last uint32, hasLast bool, source uint32, now time.Time) uint32 {
	if !hasLast {
		last = source
	}
	next := last + 1
	if next == 0 {
		next = 1
	}
	for _, candidate := range []uint32{source, schemeSerial(scheme, now)} {
		if SerialAfter(candidate, next) {
			next = candidate
		}
	}
	return next
}

// SerialAfter reports whether a comes after b in the order of RFC 1982 section 3.2.
func SerialAfter(a, b uint32) bool { return a != b && a-b < 1<<31 }

// schemeSerial returns the serial that the scheme alone would give; zero, which
// comes after nothing current, when it has no opinion.
func schemeSerial(scheme policy.SerialScheme, now time.Time) uint32 {
	switch scheme {
	case policy.SerialUnixTime:
		return uint32(now.Unix())
	case policy.SerialDate:
		y, m, d := now.UTC().Date()
		return uint32(((y*100+int(m))*100 + d) * 100)
	}
	return 0
}
