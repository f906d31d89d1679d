package state

import (
	"fmt"
	"time"

	"github.com/autosign-dns/autosign/plugin/policy"
)

// Policy is what of the effective policy shows in the zone or in its keys. The
// names are the Corefile's.
type Policy struct {
	Algorithm      uint8  `json:"algorithm"` // of new keys (RFC 4034 section 2.1.3)
	AlgorithmGiven bool   `json:"algorithm_given"`
	Scheme         string `json:"scheme"`
	SchemeGiven    bool   `json:"scheme_given"`
	Insecure       bool   `json:"insecure"`

	KSKBits     int      `json:"ksk_bits,omitempty"`
	ZSKBits     int      `json:"zsk_bits,omitempty"`
	CSKBits     int      `json:"csk_bits,omitempty"`
	KSKLifetime Duration `json:"ksk_lifetime"` // zero: unlimited
	ZSKLifetime Duration `json:"zsk_lifetime"`
	CSKLifetime Duration `json:"csk_lifetime"`

	Validity       Duration `json:"validity"`
	ValidityDNSKEY Duration `json:"validity_dnskey"`
	Refresh        Duration `json:"refresh"`
	DNSKEYTTL      uint32   `json:"dnskey_ttl"` // seconds

	ZonePropagation   Duration `json:"zone_propagation_delay"`
	ParentPropagation Duration `json:"parent_propagation_delay"`
	DSTTL             Duration `json:"ds_ttl"`
	PublishSafety     Duration `json:"publish_safety"`
	RetireSafety      Duration `json:"retire_safety"`
	PurgeKeys         Duration `json:"purge_keys"`

	NoParent    bool `json:"no_parent"`
	ParentLocal bool `json:"parent_local"`
	CDS         bool `json:"cds"`

	Serial string `json:"serial"` // scheme
	Denial Denial `json:"denial"`
}

// Denial says how absence is proven.
type Denial struct {
	NSEC3      bool   `json:"nsec3"` // else NSEC, and the rest is zero
	OptOut     bool   `json:"opt_out"`
	SaltLength int    `json:"salt_length"` // octets
	Iterations uint16 `json:"iterations"`
}

// PolicyOf returns what of a policy is stored.
func PolicyOf(p policy.Policy) Policy {
	s := Policy{
		Algorithm: uint8(p.Algorithm), AlgorithmGiven: p.AlgorithmGiven,
		Scheme: p.Scheme.String(), SchemeGiven: p.SchemeGiven,
		Insecure: p.Insecure,
		KSKBits:  p.KSKBits, ZSKBits: p.ZSKBits, CSKBits: p.CSKBits,
		DNSKEYTTL: p.DNSKEYTTL,
		NoParent:  p.NoParent, ParentLocal: p.ParentLocal, CDS: p.CDS,
		Serial: p.Serial.String(),
	}
	for _, d := range s.durations(&p) {
		*d.stored = Duration(*d.used)
	}
	if d := p.Denial; d.NSEC3 {
		s.Denial = Denial{NSEC3: true, OptOut: d.OptOut, SaltLength: d.SaltLength, Iterations: d.Iterations}
	}
	return s
}

// Over returns a policy with the stored values over those of p. What is not
// stored, since only the running server is concerned by it, stays p's.
func (s Policy) Over(p policy.Policy) (policy.Policy, error) {
	scheme, err := policy.ParseScheme(s.Scheme)
	if err != nil {
		return p, fmt.Errorf("scheme: %w", err)
	}
	serial, err := policy.ParseSerialScheme(s.Serial)
	if err != nil {
		return p, fmt.Errorf("serial: %w", err)
	}
	p.Algorithm, p.AlgorithmGiven = policy.Algorithm(s.Algorithm), s.AlgorithmGiven
	p.Scheme, p.SchemeGiven = scheme, s.SchemeGiven
	p.Insecure = s.Insecure
	p.KSKBits, p.ZSKBits, p.CSKBits = s.KSKBits, s.ZSKBits, s.CSKBits
	for _, d := range s.durations(&p) {
		*d.used = time.Duration(*d.stored)
	}
	p.DNSKEYTTL = s.DNSKEYTTL
	p.NoParent, p.ParentLocal, p.CDS = s.NoParent, s.ParentLocal, s.CDS
	p.Serial = serial
	p.Denial = policy.Denial{NSEC3: s.Denial.NSEC3, OptOut: s.Denial.OptOut,
		SaltLength: s.Denial.SaltLength, Iterations: s.Denial.Iterations}
	return p, nil
}

// pair is a duration as it is stored and as it is used.
type pair struct {
	stored *Duration
	used   *time.Duration
}

func (s *Policy) durations(p *policy.Policy) []pair {
	return []pair{
		{&s.KSKLifetime, &p.KSKLifetime},
		{&s.ZSKLifetime, &p.ZSKLifetime},
		{&s.CSKLifetime, &p.CSKLifetime},
		{&s.Validity, &p.Validity},
		{&s.ValidityDNSKEY, &p.ValidityDNSKEY},
		{&s.Refresh, &p.Refresh},
		{&s.ZonePropagation, &p.ZonePropagation},
		{&s.ParentPropagation, &p.ParentPropagation},
		{&s.DSTTL, &p.DSTTL},
		{&s.PublishSafety, &p.PublishSafety},
		{&s.RetireSafety, &p.RetireSafety},
		{&s.PurgeKeys, &p.PurgeKeys},
	}
}
