package software

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/autosign-dns/autosign/plugin/keystore"
	"github.com/autosign-dns/autosign/plugin/policy"
	"github.com/autosign-dns/autosign/plugin/store"
)

// The files of a key.
const (
	publicSuffix  = ".key"
	privateSuffix = ".private"
	stateSuffix   = ".state"
)

// maxFile bounds what is read: the files of an RSA key of 4096 bits have 4 KiB.
const maxFile = 64 << 10

// others are the permissions that nobody but owner and group may have on a
// private key.
const others fs.FileMode = 0o007

// fileID is what the name of a key's files tells.
type fileID struct {
	zone      string // as in store.FileName
	algorithm policy.Algorithm
	tag       uint16
}

// String returns the name of the key's files without their suffix.
func (f fileID) String() string { return fmt.Sprintf("K%s+%03d+%05d", f.zone, f.algorithm, f.tag) }

// parseID reads the name of a key's files without the suffix. Some tools write
// the zone's name as they got it, so its case does not matter.
func parseID(name string) (fileID, bool) {
	rest, ok := strings.CutPrefix(name, "K")
	parts := strings.Split(rest, "+")
	if !ok || len(parts) != 3 || len(parts[1]) != 3 || len(parts[2]) != 5 {
		return fileID{}, false
	}
	algorithm, err := strconv.ParseUint(parts[1], 10, 8)
	if err != nil {
		return fileID{}, false
	}
	tag, err := strconv.ParseUint(parts[2], 10, 16)
	if err != nil {
		return fileID{}, false
	}
	zone := parts[0]
	if !strings.HasSuffix(zone, ".") {
		zone += "."
	}
	return fileID{strings.ToLower(zone), policy.Algorithm(algorithm), uint16(tag)}, true
}

// files are those of one key.
type files struct {
	fileID
	name            string // without suffix, as found
	public, private bool   // which are there
	state           bool
}

// scan finds the keys of a zone, sorted by name.
func (s *Store) scan(zone string) ([]files, error) {
	names, err := s.names()
	if err != nil {
		return nil, err
	}
	want := strings.ToLower(store.FileName(zone))
	var found []files
	for _, name := range names {
		// A directory may hold the keys of thousands of zones: most names are
		// passed over here. The final dot may be missing.
		n := len(want)
		if len(name) <= n || name[0] != 'K' || !strings.EqualFold(name[1:n], want[:n-1]) {
			continue
		}
		for _, suffix := range []string{publicSuffix, privateSuffix, stateSuffix} {
			base, ok := strings.CutSuffix(name, suffix)
			id, valid := parseID(base)
			if !ok || !valid || id.zone != want {
				continue
			}
			at := slices.IndexFunc(found, func(f files) bool { return f.name == base })
			if at < 0 {
				at = len(found)
				found = append(found, files{fileID: id, name: base})
			}
			f := &found[at]
			f.public = f.public || suffix == publicSuffix
			f.private = f.private || suffix == privateSuffix
			f.state = f.state || suffix == stateSuffix
		}
	}
	// A .state alone is no key: dnssec-policy leaves it when a key is purged.
	found = slices.DeleteFunc(found, func(f files) bool { return !f.public && !f.private })
	slices.SortFunc(found, func(a, b files) int { return strings.Compare(a.name, b.name) })
	return found, nil
}

// names returns the names of all files; of a missing directory none.
func (s *Store) names() ([]string, error) {
	dir, err := os.Open(s.dir.Path())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	return dir.Readdirnames(-1)
}

// find returns the files of one key of a zone.
func (s *Store) find(zone, id string) (files, error) {
	found, err := s.scan(zone)
	if err != nil {
		return files{}, err
	}
	for _, f := range found {
		if f.name == id {
			return f, nil
		}
	}
	return files{}, fmt.Errorf("%s: %w", s.dir.Path(id), keystore.ErrNotExist)
}

// read returns the text of a file. A private one must be closed to others.
func (s *Store) read(name string) (string, error) {
	info, err := os.Stat(s.dir.Path(name))
	if err != nil {
		return "", err
	}
	if !info.Mode().IsRegular() { // to open a pipe would wait for ever
		return "", fmt.Errorf("%s: not a regular file", s.dir.Path(name))
	}
	if mode := info.Mode().Perm(); strings.HasSuffix(name, privateSuffix) && mode&others != 0 {
		return "", fmt.Errorf("%s: mode %04o lets everybody at the private key; chmod 0600 it", s.dir.Path(name), mode)
	}
	f, err := os.Open(s.dir.Path(name))
	if err != nil {
		return "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return "", err
	}
	if len(text) > maxFile {
		return "", fmt.Errorf("%s: more than %d octets are no key file", s.dir.Path(name), maxFile)
	}
	return string(text), nil
}
