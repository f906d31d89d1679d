package parent

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"sync"

	"github.com/miekg/dns"
)

// atOnce is how many servers are asked at the same time. The largest set of
// addresses in use is that of the root, 26.
const atOnce = 16

// each calls f with every element, a bounded number at the same time, and waits.
func each[T any](list []T, f func(*T)) {
	var wg sync.WaitGroup
	free := make(chan struct{}, atOnce)
	for i := range list {
		free <- struct{}{}
		wg.Go(func() {
			f(&list[i])
			<-free
		})
	}
	wg.Wait()
}

// ask asks the server, unless it is known already that it cannot be asked.
func (s Server) ask(ctx context.Context, q query) (*dns.Msg, error) {
	if s.Err != nil {
		return nil, s.Err
	}
	return ask(ctx, s.Address, q.message())
}

// parentOf returns the name of the zone above the cut at a zone's name: it may be
// more than one label away. Who asks gives the answers.
func parentOf(zone string, ask func(query) (*dns.Msg, error)) (string, error) {
	for name := above(zone); ; name = above(name) {
		m, err := ask(query{name: name, qtype: dns.TypeSOA, recursive: true, validated: true})
		if err != nil {
			return "", fmt.Errorf("the zone that %s is in: %w", name, err)
		}
		if apex := apexIn(m, name); apex != "" {
			return apex, nil
		}
		if name == "." {
			return "", fmt.Errorf("%w: no name above has an SOA", ErrUnreachable)
		}
	}
}

// above returns the name one label up.
func above(name string) string {
	if i, end := dns.NextLabel(name, 0); !end {
		return name[i:]
	}
	return "."
}

// apexIn returns the name of the zone that holds a name, as an answer to a
// question for its SOA shows it; empty: it does not. An alias leads to a zone
// elsewhere, and some forwarders drop the SOA of a negative answer.
func apexIn(m *dns.Msg, name string) string {
	for _, rr := range m.Answer {
		if _, ok := rr.(*dns.SOA); ok && at(rr, name) {
			return name
		}
	}
	if len(m.Answer) > 0 {
		return ""
	}
	for _, rr := range m.Ns {
		owner := dns.CanonicalName(rr.Header().Name)
		if _, ok := rr.(*dns.SOA); ok && dns.IsSubDomain(owner, name) {
			return owner
		}
	}
	return ""
}

// serversOf finds all addresses of all servers of a zone. What could not be
// found is among them, with its error. It fails if no server has a name. If
// validated, resolvers are to withhold what is bogus.
func (o Observer) serversOf(ctx context.Context, zone string, validated bool) ([]Server, error) {
	m, err := o.resolve(ctx, query{name: zone, qtype: dns.TypeNS, recursive: true, validated: validated}, judgeRcode)
	if err != nil {
		return nil, fmt.Errorf("the servers of %s: %w", zone, err)
	}
	var hosts []string
	for _, rr := range m.Answer {
		if ns, ok := rr.(*dns.NS); ok && at(rr, zone) {
			hosts = append(hosts, dns.CanonicalName(ns.Ns))
		}
	}
	if len(hosts) == 0 {
		return nil, fmt.Errorf("%w: %s has no NS", ErrNotDelegated, zone)
	}
	slices.Sort(hosts)
	return locate(slices.Compact(hosts), o.Port, func(host string) ([]netip.Addr, error) {
		return o.addresses(ctx, host, validated)
	}), nil
}

// locate lists the addresses of hosts, each once, under the first of its names.
func locate(hosts []string, port uint16, addresses func(host string) ([]netip.Addr, error)) []Server {
	if port == 0 {
		port = 53
	}
	found := make([][]Server, len(hosts))
	order := make([]int, len(hosts))
	for i := range order {
		order[i] = i
	}
	each(order, func(i *int) {
		host := hosts[*i]
		all, err := addresses(host)
		for _, a := range routable(all) {
			found[*i] = append(found[*i], Server{Name: host, Address: net.JoinHostPort(a.String(), strconv.Itoa(int(port)))})
		}
		if err != nil {
			found[*i] = append(found[*i], Server{Name: host, Err: err})
		}
	})
	var list []Server
	for _, s := range slices.Concat(found...) {
		known := func(o Server) bool { return o.Address == s.Address }
		if s.Address == "" || !slices.ContainsFunc(list, known) {
			list = append(list, s)
		}
	}
	return list
}

// addresses returns the addresses of a host, and an error if there may be more or
// there are none.
func (o Observer) addresses(ctx context.Context, host string, validated bool) (list []netip.Addr, err error) {
	var errs []error
	for _, qtype := range []uint16{dns.TypeA, dns.TypeAAAA} {
		m, err := o.resolve(ctx, query{name: host, qtype: qtype, recursive: true, validated: validated}, judgeRcode)
		if err != nil {
			errs = append(errs, err)
			continue
		}
		for _, rr := range m.Answer {
			var ip net.IP
			switch rr := rr.(type) {
			case *dns.A:
				ip = rr.A
			case *dns.AAAA:
				ip = rr.AAAA
			}
			if a, ok := netip.AddrFromSlice(ip); ok {
				list = append(list, a.Unmap())
			}
		}
	}
	if len(list) == 0 && len(errs) == 0 {
		errs = append(errs, errors.New("has no address"))
	}
	return list, errors.Join(errs...)
}

// routable drops addresses that this host has no route to, those of IPv6 mostly,
// if there are others: the server is asked at these, and nobody is asked at those
// who could wait for an answer. Dialling UDP sends nothing.
func routable(list []netip.Addr) []netip.Addr {
	near := slices.DeleteFunc(slices.Clone(list), func(a netip.Addr) bool {
		conn, err := net.Dial("udp", netip.AddrPortFrom(a, 53).String())
		if err == nil {
			conn.Close()
		}
		return err != nil
	})
	if len(near) == 0 {
		return list
	}
	return near
}

// agents returns all addresses of all agents.
func (o Observer) agents(ctx context.Context) (list []Server) {
	for _, agent := range o.Agents {
		address := withPort(agent)
		host, port, err := net.SplitHostPort(address)
		if _, e := netip.ParseAddr(host); err != nil || e == nil {
			list = append(list, Server{Name: agent, Address: address})
			continue
		}
		number, err := strconv.ParseUint(port, 10, 16)
		if err != nil || number == 0 {
			list = append(list, Server{Name: agent, Err: fmt.Errorf("port %q is no number of a port", port)})
			continue
		}
		for _, s := range locate([]string{host}, uint16(number), func(host string) ([]netip.Addr, error) {
			return o.lookup(ctx, host)
		}) {
			s.Name = agent
			list = append(list, s)
		}
	}
	return list
}

// lookup returns the addresses of a host that somebody configured: as any program
// here would find them, unless there are resolvers of our own.
func (o Observer) lookup(ctx context.Context, host string) ([]netip.Addr, error) {
	if len(o.Resolvers) > 0 {
		return o.addresses(ctx, dns.CanonicalName(host), true)
	}
	list, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
	for i, a := range list {
		list[i] = a.Unmap()
	}
	return list, err
}
