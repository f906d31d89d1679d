package verify

import (
	"errors"
	"fmt"
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
	Alias                 // the chain leads on, and the response does not say where it ends
	Overflow              // a DNAME made a name too long (RFC 6672 section 2.2)
	Truncated             // TC is set: what is there is right, the rest is to be asked for by TCP
)

var kinds = [...]string{"positive", "wildcard", "no data", "name error", "referral", "alias", "overflow", "truncated"}

// String names a kind.
func (k Kind) String() string { return kinds[k] }

// Verdict is what a response proves.
type Verdict struct {
	Kind Kind
	// Secure is false where the proof ends at an unsigned delegation or in an
	// opt-out span (RFC 5155 section 9.2), and for a question of type RRSIG:
	// signatures are not signed.
	Secure bool
	// FromWildcard says that a wildcard decided: with Wildcard by its records, with
	// NoData by its want of them.
	FromWildcard bool
	Name         []byte // what Kind is said of: the question's name or the end of its chain; wire form, lower case
	Cut          []byte // Referral: the owner of the NS set
	Hops         int    // CNAME and DNAME records followed
}

// Answer judges the response to a query with the DO flag as a validator does
// that trusts the zone's keys (RFC 4035 section 5, RFC 5155 section 8, RFC 6672
// section 5.3, RFC 6840): every signature in it, and whether what it says of
// its question is proven. It also refuses what a correct server does not send:
// records off the question's way, a wrong AA flag, a negative answer whose SOA
// record is kept too long (RFC 2308 section 3).
func Answer(m *dns.Msg, t Trust) (Verdict, error) {
	if len(m.Question) != 1 {
		return Verdict{}, errors.New("bogus response: not one question")
	}
	q := m.Question[0]
	r, err := readResponse(m, t)
	var v Verdict
	if err == nil {
		v, err = r.judge()
	}
	if err != nil {
		return v, fmt.Errorf("bogus response to %s %s: %w", q.Name, dns.Type(q.Qtype), err)
	}
	return v, nil
}
