//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// named is BIND.
type named struct {
	process
	site    Site
	control int // port of rndc
}

const namedKeys = `
key "rndc" { algorithm hmac-sha256; secret "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE="; };
`

const namedOptions = `
options {
	directory "%[1]s"; key-directory "%[1]s";
	listen-on port %[2]d { 127.0.0.1; }; listen-on-v6 { none; };
	pid-file "named.pid"; session-keyfile "session.key";
	recursion no; notify no; dnssec-validation no; allow-transfer { any; };
};
controls { inet 127.0.0.1 port %[3]d allow { 127.0.0.1; } keys { "rndc"; }; };
`

const namedPolicy = `
dnssec-policy "%s" {
	keys { %s };
	dnskey-ttl %ds; max-zone-ttl %ds; parent-ds-ttl %ds;
	zone-propagation-delay %ds; parent-propagation-delay %ds;
	publish-safety %[8]ds; retire-safety %[8]ds; purge-keys 0;
	signatures-validity %[9]ds; signatures-validity-dnskey %[9]ds;
	signatures-refresh %[10]ds; signatures-jitter 60s;
	%[11]s
};
`

const namedZone = `
zone "%s" { type primary; file "db.%s"; dnssec-policy "%s"; inline-signing yes; parental-agents { 127.0.0.1 port %d; }; };
`

// policies of named: the keys, and more.
var namedPolicies = map[string][2]string{
	"split":     {"ksk lifetime unlimited algorithm ecdsap256sha256; zsk lifetime unlimited algorithm ecdsap256sha256;", ""},
	"csk":       {"csk lifetime unlimited algorithm ecdsap256sha256;", ""},
	"algorithm": {"ksk lifetime unlimited algorithm ed25519; zsk lifetime unlimited algorithm ed25519;", ""},
	"denial":    {"ksk lifetime unlimited algorithm ecdsap256sha256; zsk lifetime unlimited algorithm ecdsap256sha256;", "nsec3param iterations 0 optout no salt-length 0;"},
}

// configure writes named.conf; rolled says that the policies have changed.
func (n *named) configure(rolled bool) error {
	var b strings.Builder
	fmt.Fprint(&b, namedKeys)
	fmt.Fprintf(&b, namedOptions, n.site.Dir, n.site.Port, n.control)
	for name, p := range namedPolicies {
		fmt.Fprintf(&b, namedPolicy, name, p[0], dnskeyTTL, zoneTTL, dsTTL, zonePropagation, parentPropagation, safety, validity, refresh, p[1])
	}
	for _, k := range kinds {
		policy := map[bool]string{true: "csk", false: "split"}[k == "csk"]
		if rolled {
			switch k {
			case "algorithm", "denial", "insecure":
				policy = k
			case "scheme":
				policy = "csk"
			}
		}
		fmt.Fprintf(&b, namedZone, strings.TrimSuffix(origin(k), "."), k, policy, n.site.Parent)
	}
	return os.WriteFile(filepath.Join(n.site.Dir, "named.conf"), []byte(b.String()), 0o600)
}

// Start implements Server.
func (n *named) Start(_ context.Context, s Site) (err error) {
	n.site = s
	if n.control, err = freePort(); err != nil {
		return err
	}
	if err := n.configure(false); err != nil {
		return err
	}
	rndc := fmt.Sprintf("%s\noptions { default-server 127.0.0.1; default-port %d; default-key \"rndc\"; };\n", namedKeys, n.control)
	if err := os.WriteFile(filepath.Join(s.Dir, "rndc.conf"), []byte(rndc), 0o600); err != nil {
		return err
	}
	return n.start(s.Dir, "named", "-g", "-c", filepath.Join(s.Dir, "named.conf"))
}

func (n *named) rndc(ctx context.Context, args ...string) error {
	return run(ctx, "rndc", append([]string{"-c", filepath.Join(n.site.Dir, "rndc.conf")}, args...)...)
}

// Roll implements Server.
func (n *named) Roll(ctx context.Context) error {
	for kind, role := range map[string]string{"zsk": "256", "ksk": "257", "csk": "257"} {
		tag, err := n.key(kind, role)
		if err != nil {
			return err
		}
		if err := n.rndc(ctx, "dnssec", "-rollover", "-key", tag, origin(kind)); err != nil {
			return err
		}
	}
	if err := n.configure(true); err != nil {
		return err
	}
	return n.rndc(ctx, "reconfig")
}

// key returns the tag of the only key of a zone that has these flags.
func (n *named) key(kind, flags string) (string, error) {
	files, err := filepath.Glob(filepath.Join(n.site.Dir, "K"+origin(kind)+"+*.key"))
	if err != nil {
		return "", err
	}
	for _, f := range files {
		text, err := os.ReadFile(f)
		if err != nil {
			return "", err
		}
		if strings.Contains(string(text), "DNSKEY "+flags+" ") {
			tag := strings.TrimSuffix(f[strings.LastIndex(f, "+")+1:], ".key")
			return strings.TrimLeft(tag, "0"), nil
		}
	}
	return "", fmt.Errorf("no key of %s has flags %s", origin(kind), flags)
}

// Nudge has the key manager run: left alone it looks at the parent only
// together with its own next step, or once an hour.
func (n *named) Nudge(ctx context.Context) error {
	for _, k := range kinds {
		// Fails while the zone is loaded or reconfigured, and once it is insecure.
		_ = n.rndc(ctx, "loadkeys", origin(k))
	}
	return nil
}

// Leave implements Server: the policy "insecure" does the rest alone.
func (n *named) Leave(context.Context) error { return nil }
