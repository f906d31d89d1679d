//go:build linux

package main

import (
	"bufio"
	"cmp"
	"fmt"
	"io"
	"strconv"
)

// Zone says what a generated zone holds. Equal values make equal files, on
// every machine and in every run.
type Zone struct {
	Name        string // how the table calls it
	Origin      string // absolute, with the closing dot
	Hosts       int    // names with addresses (one in a hundred an alias)
	Delegations int
	SecureEvery int // one delegation in so many has a DS set
}

// The zones of the measurements.
var (
	// Medium is a zone of names: 100,000 of them.
	Medium = Zone{Name: "M", Origin: "example.org.", Hosts: 100_000, Delegations: 1_000, SecureEvery: 2}
	// Large is a zone of delegations: a million of them.
	Large = Zone{Name: "L", Origin: "example.net.", Delegations: 1_000_000, SecureEvery: 20}
	// Small has the shape of Medium and is signed at once; it shows that the
	// measurement itself works.
	Small = Zone{Name: "S", Origin: "example.com.", Hosts: 2_000, Delegations: 100, SecureEvery: 2}
)

// Edition is one state of a zone's source.
type Edition struct {
	Serial uint32
	// Edited is the number of hosts with another IPv4 address than in an
	// edition without edits.
	Edited int
	// TTL is that of all records and of negative answers, in seconds (0: 3600).
	// Another TTL is another original TTL in each signature: all are made again.
	TTL int
}

// Signatures returns how many signatures the signed zone has with a KSK and a ZSK.
func (z Zone) Signatures(d Denial) int {
	secure := countEvery(z.Delegations, z.SecureEvery, 0)
	aliases := countEvery(z.Hosts, 100, 7)
	texts := countEvery(z.Hosts, 10, 3)
	wildcards := countEvery(z.Hosts, 50, 11)
	deep := countEvery(z.Hosts, 50, 23)

	sets := 3 + 2 // SOA, NS, DNSKEY; the addresses of the two name servers
	sets += 2*(z.Hosts-aliases) + aliases + texts + 3*wildcards + secure
	names := 1 + 2 + z.Hosts + wildcards
	switch d {
	case NSEC3:
		return sets + 1 + names + 2*deep + z.Delegations
	case OptOut:
		return sets + 1 + names + 2*deep + secure
	default:
		return sets + names + z.Delegations
	}
}

// countEvery counts the numbers below n that leave rest when divided by every.
func countEvery(n, every, rest int) int {
	if n <= rest {
		return 0
	}
	return (n - rest + every - 1) / every
}

// Write writes the zone file of an edition.
func (z Zone) Write(w io.Writer, e Edition) error {
	b := bufio.NewWriterSize(w, 1<<20)
	ttl := cmp.Or(e.TTL, 3600)
	fmt.Fprintf(b, "$ORIGIN %s\n$TTL %d\n", z.Origin, ttl)
	fmt.Fprintf(b, "@ SOA ns1 hostmaster %d 7200 3600 1209600 %d\n@ NS ns1\n@ NS ns2\n", e.Serial, ttl)
	fmt.Fprintf(b, "ns1 A 192.0.2.1\nns2 A 192.0.2.2\n")
	for i := range z.Hosts {
		z.writeHost(b, i, e)
	}
	for i := range z.Delegations {
		z.writeDelegation(b, i)
	}
	return b.Flush()
}

func (z Zone) writeHost(b *bufio.Writer, i int, e Edition) {
	name := z.Host(i)
	if i%100 == 7 {
		fmt.Fprintf(b, "%s CNAME %s\n", name, z.Host((i+1)%z.Hosts))
	} else {
		a := uint32(mix(uint64(i)))
		third := a >> 8
		if i < e.Edited {
			third += e.Serial
		}
		fmt.Fprintf(b, "%s A 198.51.%d.%d\n", name, third&0xff, a&0xff)
		fmt.Fprintf(b, "%s AAAA 2001:db8:%x:%x::%x:%x\n", name, a>>16&0xffff, a&0xffff, i>>16, i&0xffff)
	}
	if i%10 == 3 {
		fmt.Fprintf(b, "%s TXT \"v=spf1 ip4:192.0.2.%d -all\"\n", name, i%250)
	}
	if i%50 == 11 {
		fmt.Fprintf(b, "*.%s A 203.0.113.%d\n", name, i%250)
		fmt.Fprintf(b, "*.%s AAAA 2001:db8:ffff::%x:%x\n", name, i>>16, i&0xffff)
		fmt.Fprintf(b, "*.%s TXT \"any name below host %d\"\n", name, i)
	}
}

func (z Zone) writeDelegation(b *bufio.Writer, i int) {
	name := z.Delegation(i)
	if i%10 == 9 {
		fmt.Fprintf(b, "%s NS ns1.%s\n%s NS ns2.provider%d.example.\n", name, name, name, i%97)
		fmt.Fprintf(b, "ns1.%s A 203.0.113.%d\n", name, i%250)
	} else {
		fmt.Fprintf(b, "%s NS ns1.provider%d.example.\n%s NS ns2.provider%d.example.\n", name, i%97, name, i%97)
	}
	if i%z.SecureEvery == 0 {
		fmt.Fprintf(b, "%s DS %d 13 2 ", name, mix(uint64(i))%65535+1)
		for n := range uint64(4) {
			fmt.Fprintf(b, "%016X", mix(uint64(i)<<3|n))
		}
		b.WriteByte('\n')
	}
}

// Host returns the name of host i, relative to the origin. One in fifty lies
// below two empty non-terminals of its own.
func (z Zone) Host(i int) string {
	if i%50 == 23 {
		return "www." + label('r', i) + "." + label('s', i)
	}
	return label('h', i)
}

// Delegation returns the name of delegation i, relative to the origin.
func (z Zone) Delegation(i int) string { return label('d', i) }

// label makes a label of about eight letters that is unique for kind and i
// and does not follow the order of i.
func label(kind byte, i int) string {
	m := mix(uint64(i)<<8 | uint64(kind))
	b := make([]byte, 0, 16)
	for range 4 {
		b = append(b, 'a'+byte(m%26))
		m /= 26
	}
	return string(append(b, kind)) + strconv.FormatInt(int64(i), 36)
}

// mix is one step of splitmix64: a cheap scramble without state.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}
