//go:build linux

package main

import (
	"bufio"
	"fmt"
	"io"
)

// Kind is a kind of answer.
type Kind string

// The kinds of answers whose cost is measured.
const (
	Positive         Kind = "positive"
	NoData           Kind = "nodata"
	NameError        Kind = "nxdomain"
	Wildcard         Kind = "wildcard"
	SecureReferral   Kind = "referral, DS"
	InsecureReferral Kind = "referral, no DS"
	NoDS             Kind = "DS question, no DS"
	Mixed            Kind = "mixed 60/10/20/5/5"
)

// Limit returns how many times as much as whoami's an answer may cost.
func (k Kind) Limit() float64 {
	switch k {
	case Positive, SecureReferral, InsecureReferral:
		return 1.25
	case NoData, NameError, Wildcard, NoDS:
		return 1.4
	default:
		return 0
	}
}

// Kinds returns the kinds of answers that the zone can give for many names.
func (z Zone) Kinds() []Kind {
	if z.Hosts == 0 {
		return []Kind{SecureReferral, InsecureReferral, NoDS, NameError}
	}
	return []Kind{Positive, NoData, NameError, Wildcard, SecureReferral, InsecureReferral, NoDS, Mixed}
}

// Question returns name and type of question n of a kind.
func (z Zone) Question(k Kind, n int) (name, typ string) {
	r := mix(uint64(n) ^ 0xa5a5a5a5a5a5)
	pick := func(count, every, rest int) int { return int(r%uint64(count/every))*every + rest }
	switch k {
	case NoData:
		return z.Host(pick(z.Hosts, 50, 17)) + "." + z.Origin, "MX"
	case NameError:
		return label('x', int(r>>40)) + "." + z.Origin, "A"
	case Wildcard:
		return label('w', n) + "." + z.Host(pick(z.Hosts, 50, 11)) + "." + z.Origin, "A"
	case SecureReferral:
		return "www." + z.Delegation(pick(z.Delegations, z.SecureEvery, 0)) + "." + z.Origin, "A"
	case InsecureReferral:
		return "www." + z.Delegation(pick(z.Delegations, z.SecureEvery, 1)) + "." + z.Origin, "A"
	case NoDS:
		return z.Delegation(pick(z.Delegations, z.SecureEvery, 1)) + "." + z.Origin, "DS"
	case Mixed:
		return z.mixed(n)
	default:
		return z.Host(pick(z.Hosts, 100, int(r>>32%7))) + "." + z.Origin, "A"
	}
}

// mixed is the mixture in which 60 of 100 questions have answers, 10 lack the
// type, 20 the name, 5 meet a wildcard and 5 a delegation.
func (z Zone) mixed(n int) (name, typ string) {
	k := Positive
	switch p := mix(uint64(n)) % 100; {
	case p >= 98:
		k = InsecureReferral
	case p >= 95:
		k = SecureReferral
	case p >= 90:
		k = Wildcard
	case p >= 70:
		k = NameError
	case p >= 60:
		k = NoData
	}
	return z.Question(k, n)
}

// WriteQuestions writes count questions in the form that dnsperf reads.
func (z Zone) WriteQuestions(w io.Writer, k Kind, count int) error {
	b := bufio.NewWriterSize(w, 1<<20)
	for n := range count {
		name, typ := z.Question(k, n)
		fmt.Fprintf(b, "%s %s\n", name, typ)
	}
	return b.Flush()
}
