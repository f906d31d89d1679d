package parent

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/miekg/dns"
)

// resolvConf lists the system's resolvers.
const resolvConf = "/etc/resolv.conf"

// resolve asks the resolvers, one after the other, until one gives an answer that
// is good.
func (o Observer) resolve(ctx context.Context, q query, good func(*dns.Msg) error) (*dns.Msg, error) {
	resolvers := o.Resolvers
	if len(resolvers) == 0 {
		conf, err := dns.ClientConfigFromFile(resolvConf)
		if err != nil {
			return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
		}
		resolvers = conf.Servers
	}
	errs := make([]error, 0, len(resolvers))
	for i, resolver := range resolvers {
		m, err := askWithin(ctx, len(resolvers)-i, withPort(resolver), q)
		if err == nil {
			err = good(m)
		}
		if err == nil {
			return m, nil
		}
		errs = append(errs, fmt.Errorf("%s: %w", resolver, err))
	}
	if len(errs) == 0 {
		errs = append(errs, errors.New("no resolver is known"))
	}
	return nil, fmt.Errorf("%w: %w", ErrUnreachable, errors.Join(errs...))
}

// askWithin asks a server for the share of the time left that leaves as much to
// each of the servers after it.
func askWithin(ctx context.Context, servers int, address string, q query) (*dns.Msg, error) {
	if deadline, ok := ctx.Deadline(); ok {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, time.Until(deadline)/time.Duration(servers))
		defer cancel()
	}
	return ask(ctx, address, q.message())
}

// judgeRcode takes answers and denials.
func judgeRcode(m *dns.Msg) error { return judgeSource(m, true) }
