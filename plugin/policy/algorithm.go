package policy

import (
	"fmt"
	"strconv"
	"strings"
)

// Algorithm is a DNSSEC algorithm number (RFC 4034 appendix A.1 and the IANA
// registry "DNS Security Algorithm Numbers").
type Algorithm uint8

// The algorithms that zones are signed with here.
const (
	RSASHA256       Algorithm = 8  // RFC 5702
	RSASHA512       Algorithm = 10 // RFC 5702
	ECDSAP256SHA256 Algorithm = 13 // RFC 6605
	ECDSAP384SHA384 Algorithm = 14 // RFC 6605
	ED25519         Algorithm = 15 // RFC 8080
)

// Limits of an RSA modulus in bits: RFC 5702 section 2 allows 512 to 4096, and
// validators and Go's own RSA refuse less than 1024 today.
const (
	minRSABits     = 1024
	maxRSABits     = 4096
	defaultRSABits = 2048 // BIND's dnssec-policy and NIST SP 800-57 part 1
)

// algorithms names every number that is assigned, with the reason for those
// that are not used. RFC 8624 section 3.1 and RFC 9905 give the status.
var algorithms = []struct {
	number Algorithm
	name   string
	refuse string // why it is refused; empty: supported
}{
	{1, "RSAMD5", "must not be used (RFC 8624 section 3.1)"},
	{2, "DH", "is no signing algorithm (RFC 2539)"},
	{3, "DSA", "must not be used (RFC 8624 section 3.1)"},
	{5, "RSASHA1", "must not be used for signing (RFC 9905): SHA-1 is broken and validators treat it as insecure"},
	{6, "DSA-NSEC3-SHA1", "must not be used (RFC 8624 section 3.1)"},
	{7, "NSEC3RSASHA1", "must not be used for signing (RFC 9905): SHA-1 is broken and validators treat it as insecure"},
	{RSASHA256, "RSASHA256", ""},
	{RSASHA512, "RSASHA512", ""},
	{12, "ECC-GOST", "must not be used (RFC 9906)"},
	{ECDSAP256SHA256, "ECDSAP256SHA256", ""},
	{ECDSAP384SHA384, "ECDSAP384SHA384", ""},
	{ED25519, "ED25519", ""},
	{16, "ED448", "is not supported: Go's standard library has no Ed448; ED25519 is the closest"},
	{17, "SM2SM3", "is not supported (RFC 9563)"},
	{23, "ECC-GOST12", "is not supported (RFC 9558)"},
	{252, "INDIRECT", "is no signing algorithm"},
	{253, "PRIVATEDNS", "is a private algorithm and not supported"},
	{254, "PRIVATEOID", "is a private algorithm and not supported"},
}

// ParseAlgorithm reads an algorithm by name (of any case) or by number. What is
// not supported gives an error of its own that says why.
func ParseAlgorithm(s string) (Algorithm, error) {
	number, err := strconv.ParseUint(s, 10, 8)
	for _, a := range algorithms {
		if (err == nil && Algorithm(number) == a.number) || strings.EqualFold(s, a.name) {
			return a.number, a.number.Check()
		}
	}
	if err == nil {
		return Algorithm(number), Algorithm(number).Check()
	}
	return 0, fmt.Errorf("algorithm %q is unknown; supported are %s", s, supported())
}

// Check returns nil for a supported algorithm and says why not for the others.
func (a Algorithm) Check() error {
	for _, known := range algorithms {
		if known.number != a {
			continue
		}
		if known.refuse == "" {
			return nil
		}
		return fmt.Errorf("algorithm %d (%s) %s", a, known.name, known.refuse)
	}
	return fmt.Errorf("algorithm %d is unknown; supported are %s", a, supported())
}

func supported() string {
	var names []string
	for _, a := range algorithms {
		if a.refuse == "" {
			names = append(names, fmt.Sprintf("%s (%d)", a.name, a.number))
		}
	}
	return strings.Join(names, ", ")
}

// String returns the mnemonic of the IANA registry, or the number.
func (a Algorithm) String() string {
	for _, known := range algorithms {
		if known.number == a {
			return known.name
		}
	}
	return strconv.Itoa(int(a))
}

// RSA reports whether the keys of the algorithm have a length to choose.
func (a Algorithm) RSA() bool { return a == RSASHA256 || a == RSASHA512 }

// SignatureSize returns the octets of one signature: RFC 3110 section 3 for
// RSA with a modulus of bits, RFC 6605 section 4, RFC 8080 section 4. It is 0
// for an algorithm that is not supported.
func (a Algorithm) SignatureSize(bits int) int {
	switch a {
	case RSASHA256, RSASHA512:
		return (bits + 7) / 8
	case ECDSAP256SHA256, ED25519:
		return 64
	case ECDSAP384SHA384:
		return 96
	}
	return 0
}

// DefaultBits returns the length of a new key where the policy gives none: 2048
// for RSA, 0 for the algorithms whose keys have one length.
func (a Algorithm) DefaultBits() int {
	if a.RSA() {
		return defaultRSABits
	}
	return 0
}

// CheckBits reports whether a new key of the algorithm may have this length.
func (a Algorithm) CheckBits(bits int) error {
	if !a.RSA() {
		if bits == 0 {
			return nil
		}
		return fmt.Errorf("bits %d: keys of %s have one length, bits is for RSA only", bits, a)
	}
	if bits < minRSABits || bits > maxRSABits {
		return fmt.Errorf("bits %d: an RSA key has %d to %d bits", bits, minRSABits, maxRSABits)
	}
	return nil
}

func itoa(n int) string { return strconv.Itoa(n) }
