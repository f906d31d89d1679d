// Package parent asks the world: which DS records the servers of the parent
// publish, which keys the zone's own servers show, and where the parent wants to
// be told that a CDS has changed.
package parent

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"

	"github.com/miekg/dns"
)

// ErrUnreachable says that what is published is not known: nobody answered in
// time, or not with an answer that can be believed.
var ErrUnreachable = errors.New("no usable answer")

// ErrDisagree says that the servers asked do not publish the same DS records.
var ErrDisagree = errors.New("servers of the parent disagree")

// ErrNoParent says that the zone is the root.
var ErrNoParent = errors.New("the root has no parent")

// ErrNotDelegated says that nobody in the world is led to servers of the zone.
var ErrNotDelegated = errors.New("the zone is not delegated")

// ErrNoTarget says that the parent does not want to be notified: it publishes no
// DSYNC record for the zone. That is not a failure.
var ErrNoTarget = errors.New("the parent publishes no DSYNC record")

// DS is a DS record (RFC 4034 section 5) as it was seen at the parent.
type DS struct {
	KeyTag     uint16
	Algorithm  uint8
	DigestType uint8
	Digest     []byte
	TTL        uint32 // seconds; of several servers the longest, from a resolver what is left of it
}

// String returns the RDATA in zone-file form.
func (d DS) String() string {
	return fmt.Sprintf("%d %d %d %X", d.KeyTag, d.Algorithm, d.DigestType, d.Digest)
}

// Equal reports whether two records say the same; the TTL says nothing.
func (d DS) Equal(o DS) bool { return d.compare(o) == 0 }

func (d DS) compare(o DS) int {
	return cmp.Or(cmp.Compare(d.KeyTag, o.KeyTag), cmp.Compare(d.Algorithm, o.Algorithm),
		cmp.Compare(d.DigestType, o.DigestType), slices.Compare(d.Digest, o.Digest))
}

// Observer asks. The zero value asks the system's resolvers for whatever has to
// be found, and the servers found for what they have.
type Observer struct {
	// Agents are servers of the parent, or resolvers that are trusted to know
	// them, as "host" or "host:port". All addresses of all are asked, and all must
	// agree. Without agents Look finds the servers of the parent, and DS asks
	// resolvers, one after the other, until one answers. Who may not ask servers
	// beyond his own network names resolvers here.
	Agents []string

	// Resolvers are asked instead of those in /etc/resolv.conf.
	Resolvers []string

	// Port is where servers that were found by their names are asked: 0 stands for
	// 53. A DSYNC record has its own.
	Port uint16
}

// DS returns the DS records that the parent of a zone publishes, in order; none
// and no error when it is certain that there are none, because the parent says
// so or does not know the zone. The root has no parent, and so none. An error
// wraps ErrUnreachable or ErrDisagree. The context bounds the whole.
func (o Observer) DS(ctx context.Context, zone string) ([]DS, error) {
	zone = dns.CanonicalName(zone)
	if zone == "." {
		return nil, nil
	}
	var list []DS
	var err error
	if len(o.Agents) > 0 {
		list, err = Look{Servers: o.askAgents(ctx, zone)}.Agree()
	} else {
		_, err = o.resolve(ctx, query{name: zone, qtype: dns.TypeDS, recursive: true}, func(m *dns.Msg) (err error) {
			list, err = judge(m, zone, "")
			return err
		})
	}
	if err != nil {
		return nil, fmt.Errorf("parent of %s: %w", zone, err)
	}
	return list, nil
}

// dsOf turns a record into a DS.
func dsOf(rr *dns.DS) (DS, error) {
	digest, err := hex.DecodeString(rr.Digest)
	if err != nil {
		return DS{}, fmt.Errorf("a DS with digest %q: %w", rr.Digest, err)
	}
	return DS{rr.KeyTag, rr.Algorithm, rr.DigestType, digest, rr.Hdr.Ttl}, nil
}
