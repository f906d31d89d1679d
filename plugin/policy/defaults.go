package policy

import "time"

const day = 24 * time.Hour

// Propagation is the time within which every server of a zone is expected to
// have a new version: BIND's zone-propagation-delay.
const Propagation = 5 * time.Minute

// Default returns the policy of an autosign line without properties.
func Default() Policy {
	return Policy{
		Algorithm: ECDSAP256SHA256, // RFC 8624 section 3.1 recommends it for signing; BIND's and Knot's default
		Scheme:    SchemeSplit,     // KSK and ZSK, as most large zones and the root do; a ZSK is rolled without the parent

		// A KSK or CSK needs the parent's DS changed, so that it is rolled when asked
		// (BIND's default policy: CSK, unlimited). A ZSK needs nobody: 90 days as the
		// root zone does; Knot's default is 30.
		KSKLifetime: 0,
		ZSKLifetime: 90 * day,
		CSKLifetime: 0,

		Validity:       14 * day, // BIND's default policy, signatures-validity
		ValidityDNSKEY: 14 * day, // BIND's default policy, signatures-validity-dnskey
		Refresh:        5 * day,  // BIND's default policy, signatures-refresh

		DNSKEYTTL: 3600, // BIND's default policy, dnskey-ttl

		ZonePropagation:   Propagation, // BIND's default policy, zone-propagation-delay
		ParentPropagation: time.Hour,   // BIND's default policy, parent-propagation-delay
		DSTTL:             day,         // BIND's default policy, parent-ds-ttl
		PublishSafety:     time.Hour,   // BIND's default policy, publish-safety
		RetireSafety:      time.Hour,   // BIND's default policy, retire-safety
		PurgeKeys:         90 * day,    // BIND's default policy, purge-keys

		Denial: Denial{},        // NSEC, as RFC 9276 section 3 prefers where NSEC3 brings nothing
		Serial: SerialIncrement, // works with every source; no official reference

		Verify:     VerifyBudget, // no official reference: a first version is served soon, and is still verified whole
		Automatic:  true,         // signatures never expire because nobody asked
		NewKeys:    AskParent,    // no official reference: a wrong volume must not make a zone bogus
		CDS:        true,         // RFC 7344; BIND's default policy, cdnskey and cds-digest-types
		MassChange: 50,           // no official reference: half of a zone gone at once is rather an accident
	}
}
