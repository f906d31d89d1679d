package verify

import (
	"time"

	"github.com/miekg/dns"
)

// Trust is what a response is judged by: the zone that it comes from.
type Trust struct {
	Zone []byte   // wire form
	Keys [][]byte // RDATA of the zone's DNSKEY records
	Now  time.Time
	// CapTTL wants TTLs that end before the signature (a server may leave that
	// to validators: RFC 4035 section 5.3.3).
	CapTTL bool
}

// Kind says what a response answers.
type Kind uint8

// What a response says of the last name of its CNAME and DNAME chain.
const (
	Positive  Kind = iota // the RRset asked for, or any of them for ANY
	Wildcard              // the same from a wildcard (RFC 4592)
	NoData                // the name is there, the type is not
	NameError             // the name is not there
	Referral              // a delegation: ask the child's servers
	Alias                 // the chain leads on and the response does not say where to
	Overflow              // a DNAME made a name too long (RFC 6672 section 2.2)
	Truncated             // TC is set: what is there is right, the rest is to be asked for by TCP
)

// Verdict is what a response proves.
type Verdict struct {
	Kind Kind
	// Secure is false where the proof ends at an unsigned delegation or in an
	// opt-out span (RFC 5155 section 9.2).
	Secure bool
	Name   []byte // what Kind is said of: the question's name or the end of its chain; wire form, lower case
	Cut    []byte // Referral: the owner of the NS set
	Hops   int    // CNAME and DNAME records followed
}

// Answer judges a response to a query with the DO flag.
func Answer(m *dns.Msg, t Trust) (Verdict, error) { return Verdict{}, nil }
