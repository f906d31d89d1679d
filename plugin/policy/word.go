package policy

import (
	"fmt"
	"strings"
)

// Role is what a key signs.
type Role uint8

// The roles of keys. The zero Role is none of them.
const (
	KSK Role = iota + 1 // signs the DNSKEY, CDS and CDNSKEY sets; the parent's DS names it
	ZSK                 // signs everything else
	CSK                 // does both
)

// Scheme says which roles a zone's keys have.
type Scheme uint8

// The schemes.
const (
	SchemeSplit Scheme = iota // a KSK and a ZSK
	SchemeCSK                 // one key in both roles
)

// SerialScheme says how the serial of a new version is chosen. Every scheme
// gives a serial after the last one in the order of RFC 1982.
type SerialScheme uint8

// The serial schemes.
const (
	SerialIncrement SerialScheme = iota // the last serial and one
	SerialUnixTime                      // seconds since 1970
	SerialDate                          // YYYYMMDDnn
)

// VerifyMode says how much of a first or a large version is verified before it
// is served. Small changes are always verified before.
type VerifyMode uint8

// The modes of verification.
const (
	VerifyBudget    VerifyMode = iota // structure, and signatures within a budget of CPU time; the rest right after
	VerifyFull                        // everything
	VerifyStructure                   // everything but the signatures, which follow after
)

// NewKeys says whether a zone's first keys may be made.
type NewKeys uint8

// When first keys are made.
const (
	AskParent NewKeys = iota // unless the parent has DS that name other keys
	Always
	Never
)

var (
	roleWords   = []string{KSK: "KSK", ZSK: "ZSK", CSK: "CSK"}
	schemeWords = []string{SchemeSplit: "split", SchemeCSK: "csk"}
	serialWords = []string{SerialIncrement: "increment", SerialUnixTime: "unixtime", SerialDate: "date"}
	verifyWords = []string{VerifyBudget: "budget", VerifyFull: "full", VerifyStructure: "structure"}
	newKeyWords = []string{AskParent: "ask_parent", Always: "always", Never: "never"}
)

// String returns KSK, ZSK or CSK.
func (r Role) String() string { return word(roleWords, uint8(r)) }

// String returns the word of the Corefile.
func (s Scheme) String() string { return word(schemeWords, uint8(s)) }

// String returns the word of the Corefile.
func (s SerialScheme) String() string { return word(serialWords, uint8(s)) }

// String returns the word of the Corefile.
func (m VerifyMode) String() string { return word(verifyWords, uint8(m)) }

// String returns the word of the Corefile.
func (n NewKeys) String() string { return word(newKeyWords, uint8(n)) }

// SignsDNSKEY reports whether keys of the role sign the DNSKEY, CDS and CDNSKEY
// sets (RFC 7344 section 4.1: the parent ignores others' signatures over CDS).
func (r Role) SignsDNSKEY() bool { return r == KSK || r == CSK }

// SignsZone reports whether keys of the role sign the rest of the zone.
func (r Role) SignsZone() bool { return r == ZSK || r == CSK }

// MarshalText writes KSK, ZSK or CSK; the zero Role has no text.
func (r Role) MarshalText() ([]byte, error) {
	if _, err := ParseRole(r.String()); err != nil {
		return nil, fmt.Errorf("role: %w", err)
	}
	return []byte(r.String()), nil
}

// UnmarshalText reads what MarshalText writes.
func (r *Role) UnmarshalText(text []byte) error {
	read, err := ParseRole(string(text))
	if err != nil {
		return fmt.Errorf("role: %w", err)
	}
	*r = read
	return nil
}

// ParseRole reads KSK, ZSK or CSK, of any case.
func ParseRole(s string) (Role, error) {
	n, err := parseWord(roleWords, strings.ToUpper(s))
	return Role(n), err
}

// ParseScheme reads a scheme as written in a Corefile.
func ParseScheme(s string) (Scheme, error) {
	n, err := parseWord(schemeWords, s)
	return Scheme(n), err
}

// ParseSerialScheme reads a serial scheme as written in a Corefile.
func ParseSerialScheme(s string) (SerialScheme, error) {
	n, err := parseWord(serialWords, s)
	return SerialScheme(n), err
}

// ParseVerifyMode reads a mode of verification as written in a Corefile.
func ParseVerifyMode(s string) (VerifyMode, error) {
	n, err := parseWord(verifyWords, s)
	return VerifyMode(n), err
}

// ParseNewKeys reads when first keys are made, as written in a Corefile.
func ParseNewKeys(s string) (NewKeys, error) {
	n, err := parseWord(newKeyWords, s)
	return NewKeys(n), err
}

func word(words []string, n uint8) string {
	if int(n) < len(words) && words[n] != "" {
		return words[n]
	}
	return fmt.Sprintf("unknown(%d)", n)
}

func parseWord(words []string, s string) (uint8, error) {
	var known []string
	for n, w := range words {
		if w == "" {
			continue
		}
		if w == s {
			return uint8(n), nil
		}
		known = append(known, w)
	}
	last := len(known) - 1
	return 0, fmt.Errorf("%q is not %s or %s", s, strings.Join(known[:last], ", "), known[last])
}
