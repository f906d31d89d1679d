//go:build linux

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"time"

	"github.com/miekg/dns"
)

// publishedLine is what the signer logs when it takes a version into service.
var publishedLine = regexp.MustCompile(`published serial (\d+), (\d+) signatures made in ([0-9a-zµ.]+)`)

// published is what a log line says of a version.
type published struct {
	Signatures int
	Took       time.Duration // from a loaded source to service
}

func parsePublished(line string) (published, error) {
	m := publishedLine.FindStringSubmatch(line)
	if m == nil {
		return published{}, fmt.Errorf("unexpected log line: %s", line)
	}
	n, err := strconv.Atoi(m[2])
	if err != nil {
		return published{}, err
	}
	took, err := time.ParseDuration(m[3])
	return published{n, took}, err
}

// change edits one record of a served zone. Measured is the time from the
// moment at which file has the new version to the first answer from ours.
func (b *bench) change(ctx context.Context, z Zone, d Denial) error {
	parsed, err := b.parseCost(ctx, z)
	if err != nil {
		return err
	}
	file := filepath.Join(b.dir, z.Name+".edited")
	if err := writeEdition(file, z, Edition{Serial: 1}); err != nil {
		return err
	}
	srv, err := b.startSigner(ctx, z, d, signer{File: file})
	if err != nil {
		return err
	}
	defer srv.Stop()
	best, made := time.Duration(1<<63-1), 0
	for n := range b.rounds + 2 {
		took, p, err := b.edit(srv, z, file, Edition{Serial: uint32(10 * (n + 1)), Edited: 1})
		if err != nil {
			return err
		}
		best, made = min(best, took), max(made, p.Signatures)
	}
	b.table.Add(Figure{
		What:    fmt.Sprintf("%s %s: one changed record, file loaded to answered / file's parse", z.Name, d),
		Reading: fmt.Sprintf("%.0f / %.0f ms", milliseconds(best), milliseconds(parsed.Wall)),
		Reached: float64(best) / float64(parsed.Wall),
		Target:  0.4,
	})
	b.table.Add(Figure{
		What:    fmt.Sprintf("%s %s: one changed record, signatures made", z.Name, d),
		Reading: strconv.Itoa(made),
		Reached: float64(made),
		Target:  2,
	})
	return nil
}

// edit puts an edition in place and waits until a later serial is answered.
func (b *bench) edit(srv *Server, z Zone, file string, e Edition) (time.Duration, published, error) {
	before, err := b.serial(z)
	if err != nil {
		return 0, published{}, err
	}
	mark := srv.Mark()
	if err := writeEdition(file, z, e); err != nil {
		return 0, published{}, err
	}
	loaded, err := srv.Await(time.Minute, mark, "Successfully reloaded zone", z.Origin)
	if err != nil {
		return 0, published{}, err
	}
	for {
		if now, err := b.serial(z); err == nil && now != before {
			break
		}
		if time.Since(loaded.At) > serveLimit {
			return 0, published{}, fmt.Errorf("%s: edition %d is not served: %s", z.Origin, e.Serial, srv.tail())
		}
		time.Sleep(500 * time.Microsecond)
	}
	took := time.Since(loaded.At)
	_, p, err := srv.awaitPublished(10*time.Second, loaded.Next, z)
	return took, p, err
}

// awaitPublished waits for the first version of the zone behind a mark.
func (s *Server) awaitPublished(limit time.Duration, mark int, z Zone) (Line, published, error) {
	line, err := s.Await(limit, mark, z.Origin, "published serial")
	if err != nil {
		return line, published{}, err
	}
	p, err := parsePublished(line.Text)
	return line, p, err
}

// serial returns the serial that is being served.
func (b *bench) serial(z Zone) (uint32, error) {
	m, err := ask(z.Origin, dns.TypeSOA, b.port+signerPort)
	if err != nil {
		return 0, err
	}
	for _, rr := range m.Answer {
		if soa, ok := rr.(*dns.SOA); ok {
			return soa.Serial, nil
		}
	}
	return 0, fmt.Errorf("%s: no SOA answered", z.Origin)
}

// writeEdition replaces a zone file whole: file never reads half of one.
func writeEdition(name string, z Zone, e Edition) error {
	f, err := os.Create(name + ".new")
	if err != nil {
		return err
	}
	defer f.Close()
	if err := z.Write(f, e); err != nil {
		return err
	}
	return os.Rename(name+".new", name)
}

func milliseconds(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
