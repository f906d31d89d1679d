//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Denial is a way to deny existence.
type Denial string

// The ways that are measured.
const (
	NSEC   Denial = "NSEC"
	NSEC3  Denial = "NSEC3"
	OptOut Denial = "opt-out"
)

// knotConfig is the configuration of kzonesign: as many threads as we use,
// algorithm 13, a KSK and a ZSK, no salt and no extra iterations.
const knotConfig = `
database:
    storage: "%[1]s/kasp"
policy:
  - id: bench
    algorithm: ecdsap256sha256
    signing-threads: 2
    cds-cdnskey-publish: none
    nsec3: %[4]s
    nsec3-opt-out: %[5]s
    nsec3-iterations: 0
    nsec3-salt-length: 0
zone:
  - domain: %[2]s
    storage: "%[1]s"
    file: "%[3]s"
    dnssec-signing: on
    dnssec-policy: bench
`

// kzonesign signs a zone file with Knot's signer, parsing and writing included.
func kzonesign(ctx context.Context, dir string, z Zone, file string, d Denial, limit time.Duration) (Cost, error) {
	work, err := os.MkdirTemp(dir, "knot-")
	if err != nil {
		return Cost{}, err
	}
	defer os.RemoveAll(work)
	if err := os.Mkdir(filepath.Join(work, "kasp"), 0o700); err != nil {
		return Cost{}, err
	}
	onOff := map[bool]string{true: "on", false: "off"}
	conf := fmt.Sprintf(knotConfig, work, strings.TrimSuffix(z.Origin, "."), file, onOff[d != NSEC], onOff[d == OptOut])
	confFile := filepath.Join(work, "knot.conf")
	if err := os.WriteFile(confFile, []byte(conf), 0o600); err != nil {
		return Cost{}, err
	}
	c, _, err := run(ctx, limit, "kzonesign", "-c", confFile, "-o", work, z.Origin)
	return c, err
}
