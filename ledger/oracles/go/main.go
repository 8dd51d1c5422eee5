// An independent verifier of tile directories and receipts, on the code that the format comes from:
// golang.org/x/mod/sumdb/note and golang.org/x/mod/sumdb/tlog.
//
//	main DIR -key VKEY [-key VKEY]... [-since CHECKPOINT] [-pruned N] [-samples N] [-seed N]
//	main receipt PROOF -entry ENTRY -key VKEY [-key VKEY]...
//
// It knows notes, hashes and tiles; what an entry says it does not know. Exit code 0, or 1 with the
// first fault on standard error.
package main

import (
	"bytes"
	"encoding/base64"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"math/rand"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

const height = 8

// keys are the verifiers that the reader brings along.
type keys []note.Verifier

func (k *keys) String() string { return "" }

func (k *keys) Set(text string) error {
	verifier, err := note.NewVerifier(text)
	*k = append(*k, verifier)
	return err
}

// exact decodes base64 and refuses what does not encode back to itself, as Go's decoder ignores
// line ends and trailing bits.
func exact(text string) ([]byte, error) {
	data, err := base64.StdEncoding.DecodeString(text)
	if err == nil && base64.StdEncoding.EncodeToString(data) != text {
		err = errors.New("not the one base64 of its bytes")
	}
	return data, err
}

// checkpoint opens a signed checkpoint: origin, size, root. Its signer must bear the origin's name.
func checkpoint(data []byte, known keys) (tlog.Tree, error) {
	var tree tlog.Tree
	signed, err := note.Open(data, note.VerifierList(known...))
	if err != nil {
		return tree, err
	}
	for _, signature := range append(signed.Sigs, signed.UnverifiedSigs...) {
		if _, err := exact(signature.Base64); err != nil {
			return tree, err
		}
	}
	lines := strings.Split(signed.Text, "\n")
	if len(lines) != 4 || lines[0] != signed.Sigs[0].Name {
		return tree, errors.New("not a checkpoint of the key's log")
	}
	tree.N, err = strconv.ParseInt(lines[1], 10, 64)
	if err != nil || tree.N < 0 || strconv.FormatInt(tree.N, 10) != lines[1] {
		return tree, fmt.Errorf("the size %q", lines[1])
	}
	root, err := exact(lines[2])
	if err != nil || len(root) != tlog.HashSize {
		return tree, fmt.Errorf("the root %q", lines[2])
	}
	copy(tree.Hash[:], root)
	return tree, nil
}

// path is where C2SP puts a tile: without the height, and with another name for records.
func path(tile tlog.Tile) string {
	name := strings.TrimPrefix(tile.Path(), fmt.Sprintf("tile/%d/", height))
	if rest := strings.TrimPrefix(name, "data/"); rest != name {
		name = "entries/" + rest
	}
	return "tile/" + name
}

// tileOf is the inverse of path.
func tileOf(name string) (tlog.Tile, error) {
	rest := strings.TrimPrefix(name, "tile/")
	if inner := strings.TrimPrefix(rest, "entries/"); inner != rest {
		rest = "data/" + inner
	}
	tile, err := tlog.ParseTilePath(fmt.Sprintf("tile/%d/%s", height, rest))
	if err == nil && path(tile) != name {
		err = errors.New("not its own path")
	}
	return tile, err
}

// due are the tiles that a tree must have: the widest of each place.
func due(size int64) []tlog.Tile {
	var widest []tlog.Tile
	for _, tile := range tlog.NewTiles(height, 0, size) {
		if last := len(widest) - 1; last >= 0 && widest[last].L == tile.L && widest[last].N == tile.N {
			widest[last] = tile
		} else {
			widest = append(widest, tile)
		}
	}
	return widest
}

// split takes a bundle apart.
func split(data []byte) ([][]byte, error) {
	var entries [][]byte
	for len(data) > 0 {
		if len(data) < 2 {
			return nil, errors.New("cut short")
		}
		length := int(data[0])<<8 | int(data[1])
		if len(data) < 2+length {
			return nil, errors.New("cut short")
		}
		entries = append(entries, data[2:2+length])
		data = data[2+length:]
	}
	return entries, nil
}

// log is what a directory's entries make, computed anew.
type log struct {
	dir     string
	records []tlog.Hash
	stored  []tlog.Hash
}

// ReadHashes serves the hashes that were computed from the entries.
func (l *log) ReadHashes(indexes []int64) ([]tlog.Hash, error) {
	hashes := make([]tlog.Hash, len(indexes))
	for i, index := range indexes {
		if index >= int64(len(l.stored)) {
			return nil, fmt.Errorf("no hash %d", index)
		}
		hashes[i] = l.stored[index]
	}
	return hashes, nil
}

// Height and ReadTiles serve the tiles as they are on disk.
func (l *log) Height() int { return height }

func (l *log) ReadTiles(tiles []tlog.Tile) ([][]byte, error) {
	data := make([][]byte, len(tiles))
	for i, tile := range tiles {
		var err error
		if data[i], err = os.ReadFile(filepath.Join(l.dir, path(tile))); err != nil {
			return nil, err
		}
	}
	return data, nil
}

func (l *log) SaveTiles([]tlog.Tile, [][]byte) {}

// load reads the bundles of a tree; where one was pruned its tile stands in.
func (l *log) load(size, pruned int64) error {
	for _, tile := range due(size) {
		if tile.L != 0 {
			continue
		}
		bundle := tile
		bundle.L = -1
		data, err := os.ReadFile(filepath.Join(l.dir, path(bundle)))
		var records []tlog.Hash
		if errors.Is(err, fs.ErrNotExist) && tile.N<<height+int64(tile.W) <= pruned {
			data, err = os.ReadFile(filepath.Join(l.dir, path(tile)))
			for at := 0; err == nil && at+tlog.HashSize <= len(data); at += tlog.HashSize {
				var record tlog.Hash
				copy(record[:], data[at:])
				records = append(records, record)
			}
		} else if err == nil {
			records, err = recordHashes(data)
		}
		if err == nil && len(records) != tile.W {
			err = fmt.Errorf("%d records, %d are due", len(records), tile.W)
		}
		if err != nil {
			return fmt.Errorf("%s: %v", path(bundle), err)
		}
		for _, record := range records {
			hashes, err := tlog.StoredHashesForRecordHash(int64(len(l.records)), record, l)
			if err != nil {
				return err
			}
			l.records = append(l.records, record)
			l.stored = append(l.stored, hashes...)
		}
	}
	return nil
}

func recordHashes(data []byte) ([]tlog.Hash, error) {
	entries, err := split(data)
	var records []tlog.Hash
	for _, entry := range entries {
		records = append(records, tlog.RecordHash(entry))
	}
	return records, err
}

// root is the root over the first entries. The module's tree of none has another root than RFC 6962.
func (l *log) root(size int64) (tlog.Hash, error) {
	if size == 0 {
		empty, err := exact("47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=")
		var hash tlog.Hash
		copy(hash[:], empty)
		return hash, err
	}
	return tlog.TreeHash(size, l)
}

// files checks that each file is a tile of the tree and holds what the entries make.
func (l *log) files(size int64) error {
	for _, tile := range due(size) {
		if _, err := os.Stat(filepath.Join(l.dir, path(tile))); err != nil {
			return err
		}
	}
	return filepath.WalkDir(l.dir, func(file string, item fs.DirEntry, err error) error {
		if err != nil || item.IsDir() {
			return err
		}
		name, err := filepath.Rel(l.dir, file)
		if err != nil || name == "checkpoint" {
			return err
		}
		if err := l.file(name, size); err != nil {
			return fmt.Errorf("%s: %v", name, err)
		}
		return nil
	})
}

func (l *log) file(name string, size int64) error {
	tile, err := tileOf(name)
	if err != nil {
		return err
	}
	level := tile
	if tile.L < 0 {
		level.L = 0
	}
	if tile.N<<height+int64(tile.W) > size>>(height*level.L) {
		return errors.New("no entries account for it")
	}
	data, err := os.ReadFile(filepath.Join(l.dir, name))
	if err != nil {
		return err
	}
	if tile.L < 0 {
		records, err := recordHashes(data)
		if err != nil {
			return err
		}
		data = nil
		for _, record := range records {
			data = append(data, record[:]...)
		}
	}
	made, err := tlog.ReadTileData(level, l)
	if err == nil && !bytes.Equal(data, made) {
		err = errors.New("not what the entries make")
	}
	return err
}

// proofs proves records, as anyone would who has only the tiles and the checkpoint.
func (l *log) proofs(tree tlog.Tree, samples int, random *rand.Rand) error {
	tiles := tlog.TileHashReader(tree, l)
	for ; samples > 0 && tree.N > 0; samples-- {
		index := random.Int63n(tree.N)
		proof, err := tlog.ProveRecord(tree.N, index, tiles)
		if err == nil {
			err = tlog.CheckRecord(proof, tree.N, tree.Hash, index, l.records[index])
		}
		if err != nil {
			return fmt.Errorf("entry %d: %v", index, err)
		}
	}
	return nil
}

// consistent proves that an older tree is the beginning of this one.
func (l *log) consistent(older, tree tlog.Tree) error {
	if older.N > tree.N {
		return fmt.Errorf("%d entries were signed, %d are here", older.N, tree.N)
	}
	root, err := l.root(older.N)
	if err == nil && root != older.Hash {
		err = errors.New("the older checkpoint is signed over other entries")
	}
	if err != nil || older.N == 0 {
		return err
	}
	proof, err := tlog.ProveTree(tree.N, older.N, tlog.TileHashReader(tree, l))
	if err != nil {
		return err
	}
	return tlog.CheckTree(proof, tree.N, tree.Hash, older.N, older.Hash)
}

func directory(arguments []string) error {
	flags := flag.NewFlagSet("directory", flag.ExitOnError)
	var known keys
	flags.Var(&known, "key", "verifier key; may be repeated")
	since := flags.String("since", "", "an older checkpoint")
	pruned := flags.Int64("pruned", 0, "bundles that end here may be absent")
	samples := flags.Int("samples", 50, "how many records to prove")
	seed := flags.Int64("seed", 1, "which")
	if err := flags.Parse(arguments[1:]); err != nil {
		return err
	}
	l := &log{dir: arguments[0]}
	data, err := os.ReadFile(filepath.Join(l.dir, "checkpoint"))
	if err != nil {
		return err
	}
	tree, err := checkpoint(data, known)
	if err != nil {
		return fmt.Errorf("checkpoint: %v", err)
	}
	if err := l.load(tree.N, *pruned); err != nil {
		return err
	}
	root, err := l.root(tree.N)
	if err == nil && root != tree.Hash {
		err = errors.New("checkpoint: the entries make another root")
	}
	if err != nil {
		return err
	}
	if err := l.files(tree.N); err != nil {
		return err
	}
	if err := l.proofs(tree, *samples, rand.New(rand.NewSource(*seed))); err != nil {
		return err
	}
	if *since == "" {
		return nil
	}
	data, err = os.ReadFile(*since)
	if err != nil {
		return err
	}
	older, err := checkpoint(data, known)
	if err != nil {
		return fmt.Errorf("the older checkpoint: %v", err)
	}
	return l.consistent(older, tree)
}

func receipt(arguments []string) error {
	flags := flag.NewFlagSet("receipt", flag.ExitOnError)
	var known keys
	flags.Var(&known, "key", "verifier key; may be repeated")
	entry := flags.String("entry", "", "the entry")
	if err := flags.Parse(arguments[1:]); err != nil {
		return err
	}
	proof, err := os.ReadFile(arguments[0])
	if err != nil {
		return err
	}
	record, err := os.ReadFile(*entry)
	if err != nil {
		return err
	}
	head, signed, found := strings.Cut(string(proof), "\n\n")
	lines := strings.Split(head, "\n")
	if !found || lines[0] != "c2sp.org/tlog-proof@v1" {
		return errors.New("not a receipt")
	}
	lines = lines[1:]
	if len(lines) > 0 && strings.HasPrefix(lines[0], "extra ") {
		if _, err := exact(strings.TrimPrefix(lines[0], "extra ")); err != nil {
			return err
		}
		lines = lines[1:]
	}
	if len(lines) == 0 || !strings.HasPrefix(lines[0], "index ") {
		return errors.New("no index")
	}
	digits := strings.TrimPrefix(lines[0], "index ")
	index, err := strconv.ParseInt(digits, 10, 64)
	if err != nil || strconv.FormatInt(index, 10) != digits {
		return fmt.Errorf("the index %q", digits)
	}
	var steps tlog.RecordProof
	for _, line := range lines[1:] {
		data, err := exact(line)
		if err != nil || len(data) != tlog.HashSize {
			return fmt.Errorf("the hash %q", line)
		}
		var step tlog.Hash
		copy(step[:], data)
		steps = append(steps, step)
	}
	tree, err := checkpoint([]byte(signed), known)
	if err != nil {
		return err
	}
	return tlog.CheckRecord(steps, tree.N, tree.Hash, index, tlog.RecordHash(record))
}

func main() {
	arguments := os.Args[1:]
	var err error
	switch {
	case len(arguments) > 1 && arguments[0] == "receipt":
		err = receipt(arguments[1:])
	case len(arguments) > 0:
		err = directory(arguments)
	default:
		err = errors.New("main DIR -key VKEY | main receipt PROOF -entry ENTRY -key VKEY")
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
