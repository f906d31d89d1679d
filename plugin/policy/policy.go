// Package policy says how a zone is to be signed: which algorithm and keys,
// how long signatures live, how absence is proven. A Policy is plain data; the
// rules between its values are in Check. Nothing here reads a clock.
package policy

import "time"

// Policy is everything an operator decides about the signing of a zone.
// Default gives a complete and safe one.
type Policy struct {
	Algorithm Algorithm // of new keys; keys at hand keep theirs
	Scheme    Scheme    // which roles the keys of a zone have

	// AlgorithmGiven and SchemeGiven say that the operator named the value. One
	// that nobody named is a default for first keys only: a zone whose keys in
	// service differ from it keeps what it has.
	AlgorithmGiven bool
	SchemeGiven    bool

	// Insecure says that the zone leaves DNSSEC: its DS are withdrawn, and the
	// signatures after them (BIND's policy "insecure").
	Insecure bool

	KSKBits int // RSA modulus of new KSKs; 0 for the other algorithms
	ZSKBits int // RSA modulus of new ZSKs; 0 for the other algorithms
	CSKBits int // RSA modulus of new CSKs; 0 for the other algorithms

	// Lifetimes of keys, from one roll of a role to the next. 0: unlimited, the
	// role is rolled when asked.
	KSKLifetime time.Duration
	ZSKLifetime time.Duration
	CSKLifetime time.Duration

	Validity       time.Duration // from inception (less an hour for slow clocks) to expiration
	ValidityDNSKEY time.Duration // the same for the DNSKEY, CDS and CDNSKEY sets
	Refresh        time.Duration // never less than this is left on a signature

	DNSKEYTTL uint32 // seconds; of the DNSKEY, CDS and CDNSKEY sets

	// What is added to the waits of a roll, in the symbols of RFC 7583 section 3.
	ZonePropagation   time.Duration // Dprp: every server of the zone has a new version within it
	ParentPropagation time.Duration // DprpP: every server of the parent has a new DS within it
	DSTTL             time.Duration // TTLds: of the parent's DS, where none was observed that is longer
	PublishSafety     time.Duration // added before a new record is relied on
	RetireSafety      time.Duration // added before an old record is taken for forgotten
	PurgeKeys         time.Duration // from a key's removal to the end of its files; 0: they are kept

	Denial Denial
	Serial SerialScheme

	Verify    VerifyMode
	Strict    bool    // warnings are errors
	Automatic bool    // sign whenever something changes or is due; otherwise only when asked
	NewKeys   NewKeys // whether a zone's first keys may be made
	Workers   int     // signing goroutines; 0: as many as the machine has cores to spare

	NoParent     bool     // no parent is asked for DS: the trust anchor is kept by hand
	ParentLocal  bool     // the parent is a zone that this server signs: it takes the DS from us directly
	ParentAgents []string // host:port of the servers that are asked for DS; none: the system's resolver

	CDS bool // CDS and CDNSKEY are published (RFC 7344, RFC 8078)

	// MassChange is the share of its names, in percent, that one version of a
	// zone may lose; a version that loses more is refused. 0 is off.
	MassChange int

	Allow []string // plugins that may stand beside autosign although they alter answers
}

// Denial says how a zone proves what it does not hold.
type Denial struct {
	NSEC3      bool   // NSEC3 (RFC 5155) instead of NSEC (RFC 4034 section 4)
	OptOut     bool   // unsigned delegations stay out of the chain (RFC 5155 section 6)
	SaltLength int    // octets of salt, 0 to 255; RFC 9276 section 3.1 says 0
	Iterations uint16 // additional hash iterations; RFC 9276 section 3.1 says 0
}

// String gives the denial as it is written in a Corefile.
func (d Denial) String() string {
	if !d.NSEC3 {
		return "nsec"
	}
	s := "nsec3"
	if d.OptOut {
		s += " optout"
	}
	return s + " salt_length " + itoa(d.SaltLength) + " iterations " + itoa(int(d.Iterations))
}

// Bits returns the RSA modulus length of new keys of a role; 0 for other algorithms.
func (p Policy) Bits(r Role) int {
	_, bits := p.OfRole(r)
	return *bits
}

// Lifetime returns how long keys of a role are in service; 0 is unlimited.
func (p Policy) Lifetime(r Role) time.Duration {
	lifetime, _ := p.OfRole(r)
	return *lifetime
}

// OfRole returns where a policy has what it says of the keys of a role.
func (p *Policy) OfRole(r Role) (lifetime *time.Duration, bits *int) {
	switch r {
	case KSK:
		return &p.KSKLifetime, &p.KSKBits
	case ZSK:
		return &p.ZSKLifetime, &p.ZSKBits
	}
	return &p.CSKLifetime, &p.CSKBits
}

// Roles returns the roles that a zone's keys need together under the scheme.
func (p Policy) Roles() []Role {
	if p.Scheme == SchemeCSK {
		return []Role{CSK}
	}
	return []Role{KSK, ZSK}
}
