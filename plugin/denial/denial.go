// Package denial proves what a zone does not hold: it builds the NSEC3 chain of
// a zone (RFC 5155) and picks the NSEC or NSEC3 records that belong into an
// answer. NSEC records (RFC 4034 section 4) are the order of the names and need
// no building.
package denial

import (
	"crypto/sha1"
	"fmt"

	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/zone"
)

// maxIterations is how many extra iterations are taken: validators treat more
// than a few as insecure or fail (RFC 9276 section 3.2).
const maxIterations = 50

// hashLabel is the length of the label that an NSEC3 owner has above the origin.
const hashLabel = 1 + 32

// Check reports whether a zone with this origin (wire form) can have the denial.
func Check(origin []byte, d policy.Denial) error {
	switch {
	case !d.NSEC3:
		return nil
	case len(origin)+hashLabel > zone.MaxWire:
		return fmt.Errorf("nsec3: the origin has %d octets; %d is the most with a hash label of %d above it (RFC 5155 section 3)",
			len(origin), zone.MaxWire-hashLabel, hashLabel)
	case d.Iterations > maxIterations:
		return fmt.Errorf("nsec3: %d iterations are more than %d (RFC 9276 section 3.2)", d.Iterations, maxIterations)
	}
	return nil
}

// HashName returns the NSEC3 hash of a name in wire form, lower case (RFC 5155
// section 5): SHA-1 over name and salt, and again over hash and salt for each
// further iteration. The salt has at most 255 octets.
func HashName(wire, salt []byte, iterations uint16) [sha1.Size]byte {
	if len(salt) == 0 && iterations == 0 {
		return sha1.Sum(wire)
	}
	var buf [zone.MaxWire + 255]byte
	n := copy(buf[:zone.MaxWire], wire)
	n += copy(buf[n:], salt)
	hash := sha1.Sum(buf[:n])
	n = copy(buf[:], hash[:])
	n += copy(buf[n:], salt)
	for range iterations {
		copy(buf[:], hash[:])
		hash = sha1.Sum(buf[:n])
	}
	return hash
}

// AppendParam appends the RDATA of the zone's NSEC3PARAM record. Its flags are
// zero even with opt-out (RFC 5155 section 4.1.2).
func AppendParam(dst []byte, iterations uint16, salt []byte) []byte {
	dst = append(dst, 1, 0, byte(iterations>>8), byte(iterations), byte(len(salt)))
	return append(dst, salt...)
}
