package denial

import (
	"crypto/sha1"
)

// HashName returns the NSEC3 hash of a name in wire form, lower case (RFC 5155
// section 5): SHA-1 over name and salt, then iterations more rounds.
func HashName(wire, salt []byte, iterations uint16) [sha1.Size]byte {
	var buf [255 + 255]byte
	n := copy(buf[:], wire)
	n += copy(buf[n:], salt)
	hash := sha1.Sum(buf[:n])
	for range iterations {
		n = copy(buf[:], hash[:])
		n += copy(buf[n:], salt)
		hash = sha1.Sum(buf[:n])
	}
	return hash
}
