package autosign

import (
	"context"
	"maps"
	"net"
	"sync"
	"sync/atomic"

	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/plugin"
	"github.com/coredns/coredns/plugin/pkg/parse"
	"github.com/coredns/coredns/plugin/pkg/transport"
)

// A DS record belongs to the parent's side of a delegation (RFC 4035 section
// 3.1.4.1), but the server hands a DS question to the server block of the
// child, or of a grandparent. So the zones of all server blocks are known here,
// and the right one answers, whichever block the question came to.

// scope is where a zone can be asked for: a listener, by the address CoreDNS
// gives it, and a view ("" without one).
type scope struct{ listener, view string }

// registry holds the zones of every scope. Questions read it without a lock.
type registry struct {
	mu     sync.Mutex // held by writers
	scopes atomic.Pointer[map[scope]zoneTable]
}

// parents are the zones that may be asked for DS records.
var parents registry

// add makes a zone known in some scopes, in place of one of the same name.
func (r *registry) add(s *signer, scopes []scope) {
	r.change(func(all map[scope]zoneTable) {
		for _, at := range scopes {
			t := zoneTable{zones: maps.Clone(all[at].zones), labels: all[at].labels}
			t.add(s.origin, s)
			all[at] = t
		}
	})
}

// remove forgets a zone, unless another has taken its place.
func (r *registry) remove(s *signer) {
	r.change(func(all map[scope]zoneTable) {
		for at, t := range all {
			if t.zones[string(s.origin)] != s {
				continue
			}
			next := zoneTable{zones: maps.Clone(t.zones), labels: t.labels}
			delete(next.zones, string(s.origin))
			all[at] = next
			if len(next.zones) == 0 {
				delete(all, at)
			}
		}
	})
}

func (r *registry) change(f func(map[scope]zoneTable)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	next := map[scope]zoneTable{}
	if now := r.scopes.Load(); now != nil {
		maps.Copy(next, *now)
	}
	f(next)
	r.scopes.Store(&next)
}

// find returns the zone that a DS question about a name is to be answered
// from: the longest proper ancestor among the zones of the listener and view
// at which it came in, or nil. The name is not the root.
func (r *registry) find(ctx context.Context, folded []byte) *signer {
	all := r.scopes.Load()
	if all == nil {
		return nil
	}
	var at scope
	if srv, ok := ctx.Value(dnsserver.Key{}).(*dnsserver.Server); ok {
		at.listener = srv.Addr
	}
	above := int(folded[0]) + 1
	t := (*all)[at]
	s, length := t.longest(folded, above)
	if at.view, _ = ctx.Value(dnsserver.ViewKey{}).(string); at.view != "" {
		t = (*all)[at]
		if v, l := t.longest(folded, above); l >= length && v != nil {
			s = v
		}
	}
	return s
}

// scopesOf returns where the zones of a server block can be asked for: the
// address of every listener, made as CoreDNS makes it.
func scopesOf(keys []string, c *dnsserver.Config) []scope {
	var list []scope
	for _, k := range keys {
		trans, rest := parse.Transport(k)
		_, port, err := plugin.SplitHostPort(rest)
		if err != nil {
			continue // CoreDNS itself has refused such a key
		}
		if port == "" {
			port = transport.Port
		}
		for _, host := range c.ListenHosts {
			addr, err := net.ResolveTCPAddr("tcp", net.JoinHostPort(host, port))
			if err != nil {
				continue
			}
			list = append(list, scope{trans + "://" + addr.String(), c.ViewName})
		}
	}
	return list
}
