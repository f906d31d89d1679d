//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// knot is Knot DNS.
type knot struct {
	process
	site Site
}

const knotServer = `
server:
    rundir: "%[1]s"
    listen: 127.0.0.1@%[2]d
    automatic-acl: off
log:
  - target: stderr
    any: info
database:
    storage: "%[1]s/db"
control:
    listen: "%[1]s/ctl"
acl:
  - id: transfer
    address: 127.0.0.1
    action: transfer
remote:
  - id: parent
    address: 127.0.0.1@%[3]d
submission:
  - id: parent
    parent: parent
    check-interval: 2
    parent-delay: %[4]d
policy:
`

const knotPolicy = `
  - id: %s
    algorithm: %s
    single-type-signing: %s
    nsec3: %s
    nsec3-iterations: 0
    nsec3-salt-length: 0
    dnskey-ttl: %d
    zone-max-ttl: %d
    propagation-delay: %d
    rrsig-lifetime: %d
    rrsig-refresh: %d
    rrsig-pre-refresh: 0
    zsk-lifetime: 0
    ksk-lifetime: 0
    cds-cdnskey-publish: %s
    ksk-submission: parent
`

const knotZone = `
  - domain: %s
    storage: "%s"
    file: "db.%s"
    acl: transfer
    zonefile-sync: -1
    zonefile-load: difference-no-serial
    journal-content: all
    dnssec-signing: %s
    dnssec-policy: %s
`

// The algorithm, whether there is a CSK, NSEC3 and the use of CDS.
var knotPolicies = map[string][4]string{
	"split":     {"ecdsap256sha256", "off", "off", "rollover"},
	"csk":       {"ecdsap256sha256", "on", "off", "rollover"},
	"algorithm": {"ed25519", "off", "off", "rollover"},
	"denial":    {"ecdsap256sha256", "off", "on", "rollover"},
	"insecure":  {"ecdsap256sha256", "off", "off", "delete-dnssec"},
}

// configure writes knot.conf. Knot has one delay where the others have a
// delay and a safety margin: it gets the sum.
func (k *knot) configure(rolled, left bool) error {
	var b strings.Builder
	fmt.Fprintf(&b, knotServer, k.site.Dir, k.site.Port, k.site.Parent, parentPropagation+safety)
	for name, p := range knotPolicies {
		fmt.Fprintf(&b, knotPolicy, name, p[0], p[1], p[2], dnskeyTTL, zoneTTL, zonePropagation+safety, validity, refresh, p[3])
	}
	fmt.Fprintln(&b, "zone:")
	for _, kind := range kinds {
		policy := map[bool]string{true: "csk", false: "split"}[kind == "csk"]
		signing := "on"
		if rolled {
			switch kind {
			case "algorithm", "denial", "insecure":
				policy = kind
			case "scheme":
				policy = "csk"
			}
		}
		if kind == "insecure" && left {
			signing = "off"
		}
		fmt.Fprintf(&b, knotZone, strings.TrimSuffix(origin(kind), "."), k.site.Dir, kind, signing, policy)
	}
	return os.WriteFile(filepath.Join(k.site.Dir, "knot.conf"), []byte(b.String()), 0o600)
}

// Start implements Server.
func (k *knot) Start(_ context.Context, s Site) error {
	k.site = s
	if err := os.Mkdir(filepath.Join(s.Dir, "db"), 0o700); err != nil {
		return err
	}
	if err := k.configure(false, false); err != nil {
		return err
	}
	return k.start(s.Dir, "knotd", "-c", filepath.Join(s.Dir, "knot.conf"))
}

func (k *knot) knotc(ctx context.Context, args ...string) error {
	return run(ctx, "knotc", append([]string{"-s", filepath.Join(k.site.Dir, "ctl")}, args...)...)
}

// Roll implements Server.
func (k *knot) Roll(ctx context.Context) error {
	for kind, role := range map[string]string{"zsk": "zsk", "ksk": "ksk", "csk": "ksk"} {
		if err := k.knotc(ctx, "zone-key-rollover", origin(kind), role); err != nil {
			return err
		}
	}
	if err := k.configure(true, false); err != nil {
		return err
	}
	if err := k.knotc(ctx, "reload"); err != nil {
		return err
	}
	return k.knotc(ctx, "zone-sign", origin("insecure"))
}

// Nudge implements Server: Knot looks by itself.
func (k *knot) Nudge(context.Context) error { return nil }

// Leave switches signing off, as an operator has to do by hand.
func (k *knot) Leave(ctx context.Context) error {
	if err := k.configure(true, true); err != nil {
		return err
	}
	if err := k.knotc(ctx, "reload"); err != nil {
		return err
	}
	return k.knotc(ctx, "zone-reload", origin("insecure"))
}
