// Package parent asks which DS records the parent of a zone publishes.
package parent

import (
	"cmp"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/miekg/dns"
)

// ErrUnreachable says that what the parent publishes is not known: nobody
// answered in time, or not with an answer that can be believed.
var ErrUnreachable = errors.New("parent not reachable")

// ErrDisagree says that the servers asked do not publish the same DS records.
var ErrDisagree = errors.New("servers of the parent disagree")

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

// compare orders DS records by what they say; the TTL says nothing.
func (d DS) compare(o DS) int {
	return cmp.Or(cmp.Compare(d.KeyTag, o.KeyTag), cmp.Compare(d.Algorithm, o.Algorithm),
		cmp.Compare(d.DigestType, o.DigestType), slices.Compare(d.Digest, o.Digest))
}

// Observer asks for DS records. The zero value asks the system's resolvers.
type Observer struct {
	// Agents are servers of the parent, or resolvers that are trusted to know
	// them, as "host" or "host:port". All are asked and all must agree. Without
	// agents resolvers are asked, one after the other, until one answers.
	Agents []string

	// Resolvers are asked instead of those in /etc/resolv.conf.
	Resolvers []string
}

// resolvConf lists the system's resolvers.
const resolvConf = "/etc/resolv.conf"

// DS returns the DS records that the parent of a zone publishes, in order; none
// and no error when it is certain that there are none, because the parent says
// so or does not know the zone. The root has no parent, and so none. An error
// wraps ErrUnreachable or ErrDisagree. The context bounds the whole.
func (o Observer) DS(ctx context.Context, zone string) ([]DS, error) {
	zone = dns.CanonicalName(zone)
	if zone == "." {
		return nil, nil
	}
	list, err := o.ask(ctx, zone)
	if err != nil {
		return nil, fmt.Errorf("parent of %s: %w", zone, err)
	}
	return list, nil
}

func (o Observer) ask(ctx context.Context, zone string) ([]DS, error) {
	if len(o.Agents) > 0 {
		return askAll(ctx, o.Agents, zone)
	}
	if len(o.Resolvers) > 0 {
		return askOne(ctx, o.Resolvers, zone)
	}
	conf, err := dns.ClientConfigFromFile(resolvConf)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	return askOne(ctx, conf.Servers, zone)
}

// askOne returns the answer of the first server that has one.
func askOne(ctx context.Context, servers []string, zone string) ([]DS, error) {
	err := errors.New("no resolver is known")
	for i, server := range servers {
		list, e := askWithin(ctx, len(servers)-i, server, zone)
		if e == nil {
			return list, nil
		}
		if i == 0 {
			err = e
		} else {
			err = errors.Join(err, e)
		}
	}
	return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
}

// askWithin asks a server for the share of the time left that leaves as much to
// each of the servers after it.
func askWithin(ctx context.Context, servers int, server, zone string) ([]DS, error) {
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)/time.Duration(servers))
		defer cancel()
	}
	return askServer(ctx, server, zone)
}

// askAll returns what all servers say, if they say the same.
func askAll(ctx context.Context, servers []string, zone string) ([]DS, error) {
	lists, errs := make([][]DS, len(servers)), make([]error, len(servers))
	var wg sync.WaitGroup
	for i, server := range servers {
		wg.Go(func() { lists[i], errs[i] = askServer(ctx, server, zone) })
	}
	wg.Wait()
	if err := errors.Join(errs...); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	all := lists[0]
	for i, list := range lists[1:] {
		if !slices.EqualFunc(all, list, func(a, b DS) bool { return a.compare(b) == 0 }) {
			return nil, fmt.Errorf("%w: %s has %s, %s has %s",
				ErrDisagree, servers[0], describe(all), servers[i+1], describe(list))
		}
		for j := range all {
			all[j].TTL = max(all[j].TTL, list[j].TTL)
		}
	}
	return all, nil
}

// describe is a list of DS records as words.
func describe(list []DS) string {
	if len(list) == 0 {
		return "no DS"
	}
	var b strings.Builder
	for i, d := range list {
		if i > 0 {
			b.WriteString(", ")
		}
		b.WriteString("DS " + d.String())
	}
	return b.String()
}

// withPort returns a server's address with a port.
func withPort(server string) string {
	if _, _, err := net.SplitHostPort(server); err == nil {
		return server
	}
	return net.JoinHostPort(strings.Trim(server, "[]"), "53")
}

// dsOf turns a record into a DS.
func dsOf(rr *dns.DS) (DS, error) {
	digest, err := hex.DecodeString(rr.Digest)
	if err != nil {
		return DS{}, fmt.Errorf("a DS with digest %q: %w", rr.Digest, err)
	}
	return DS{rr.KeyTag, rr.Algorithm, rr.DigestType, digest, rr.Hdr.Ttl}, nil
}
