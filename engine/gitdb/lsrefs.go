package gitdb

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/go-git/go-git/v5/plumbing"
	"github.com/go-git/go-git/v5/plumbing/format/pktline"
)

// A repository with thousands of pull requests advertises every one of them to
// whoever fetches one. Version 2 of git's protocol tells of those that are asked
// for, which go-git does not speak; see gitprotocol-v2(5).

// errOtherwise says that a remote does not answer by version 2 here: it is asked
// as before, which also tells what is wrong.
var errOtherwise = errors.New("the remote does not speak version 2 of git's protocol here")

const (
	uploadPack    = "git-upload-pack"
	maxAdvertised = 64 << 20 // bytes of an answer
)

// lsRefs asks a remote where some references are. Those that it does not have are
// left out.
func (d *DB) lsRefs(ctx context.Context, from Remote, names []string) (map[string]OID, error) {
	if !strings.HasPrefix(from.URL, "https://") && !strings.HasPrefix(from.URL, "http://") {
		return nil, errOtherwise
	}
	token := ""
	if from.Token != nil {
		var err error
		if token, err = from.Token(ctx); err != nil {
			return nil, fmt.Errorf("get token: %w", err)
		}
	}
	at := d.speaks[from.URL]
	if at == "" {
		var err error
		if at, err = greet(ctx, from.URL, token); err != nil {
			return nil, err
		}
		if d.speaks == nil {
			d.speaks = map[string]string{}
		}
		d.speaks[from.URL] = at
	}
	refs, err := askRefs(ctx, at, token, names)
	if err != nil {
		delete(d.speaks, from.URL) // it may have been renamed
	}
	return refs, err
}

// greet finds where a remote answers by version 2.
func greet(ctx context.Context, at, token string) (string, error) {
	asked, err := url.Parse(at)
	if err != nil {
		return "", errOtherwise
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimSuffix(at, "/")+"/info/refs?service="+uploadPack, nil)
	if err != nil {
		return "", errOtherwise
	}
	body, final, err := exchange(&http.Client{}, req, token)
	if err != nil {
		return "", err
	}
	lines, err := packets(body)
	path, ok := strings.CutSuffix(final.Path, "/info/refs")
	if err != nil || !ok || final.Host != asked.Host || final.Scheme != asked.Scheme { // the token stays here
		return "", errOtherwise
	}
	two, lists := false, false
	for _, l := range lines {
		two = two || l == "version 2"
		lists = lists || l == "ls-refs" || strings.HasPrefix(l, "ls-refs=")
	}
	if !two || !lists || slices.Contains(lines, "object-format=sha256") {
		return "", errOtherwise
	}
	final.Path, final.RawPath, final.RawQuery = path+"/"+uploadPack, "", ""
	return final.String(), nil
}

// askRefs asks for the references by name.
func askRefs(ctx context.Context, at, token string, names []string) (map[string]OID, error) {
	var ask bytes.Buffer
	e := pktline.NewEncoder(&ask)
	err := errors.Join(e.EncodeString("command=ls-refs\n", "object-format=sha1"), writeDelimiter(&ask))
	for _, name := range names {
		err = errors.Join(err, e.EncodeString("ref-prefix "+name+"\n"))
	}
	if err = errors.Join(err, e.Flush()); err != nil {
		return nil, fmt.Errorf("ask for references: %w", err)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, at, &ask)
	if err != nil {
		return nil, errOtherwise
	}
	req.Header.Set("Content-Type", "application/x-"+uploadPack+"-request")
	req.Header.Set("Accept", "application/x-"+uploadPack+"-result")
	still := &http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	body, _, err := exchange(still, req, token)
	if err != nil {
		return nil, err
	}
	if !bytes.HasSuffix(body, []byte(flush)) { // it was cut off
		return nil, errOtherwise
	}
	lines, err := packets(body)
	if err != nil {
		return nil, errOtherwise
	}
	refs := map[string]OID{}
	for _, l := range lines {
		oid, rest, ok := strings.Cut(l, " ")
		name, _, _ := strings.Cut(rest, " ")
		if !ok || !plumbing.IsHash(oid) || name == "" {
			return nil, errOtherwise
		}
		if slices.Contains(names, name) { // what is asked for is how names begin
			refs[name] = OID(oid)
		}
	}
	return refs, nil
}

// exchange makes a request by version 2 and reads the whole answer. It tells also
// whose answer it is.
func exchange(client *http.Client, req *http.Request, token string) ([]byte, url.URL, error) {
	req.Header.Set("Git-Protocol", "version=2")
	if token != "" {
		req.SetBasicAuth(tokenUser, token)
	}
	resp, err := client.Do(req)
	if err != nil {
		return nil, url.URL{}, remoteErr("list references", err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxAdvertised+1))
	if err != nil {
		return nil, url.URL{}, remoteErr("list references", err)
	}
	if resp.StatusCode != http.StatusOK || len(body) > maxAdvertised {
		return nil, url.URL{}, errOtherwise
	}
	return body, *resp.Request.URL, nil
}

const flush = "0000"

func writeDelimiter(w io.Writer) error {
	_, err := io.WriteString(w, "0001")
	return err
}

// packets are the lines of an answer, without those that only part it.
func packets(body []byte) ([]string, error) {
	var out []string
	r := bufio.NewReader(bytes.NewReader(body))
	for {
		head, err := r.Peek(len(flush))
		if errors.Is(err, io.EOF) && len(head) == 0 {
			return out, nil
		}
		if err != nil {
			return nil, err
		}
		size, err := strconv.ParseUint(string(head), 16, 16)
		if err != nil {
			return nil, err
		}
		const parts = 3 // 0 to 2 part lines
		n := int(size)
		if n == parts || n > pktline.OversizePayloadMax+len(flush) {
			return nil, errOtherwise
		}
		line := make([]byte, max(n, len(flush)))
		if _, err := io.ReadFull(r, line); err != nil {
			return nil, err
		}
		if n > parts {
			out = append(out, strings.TrimSuffix(string(line[len(flush):]), "\n"))
		}
	}
}

// where asks a remote where references are by the cheapest way that it knows.
func (d *DB) where(ctx context.Context, from Remote, want map[string]string) (map[string]OID, error) {
	names := slices.Sorted(maps.Keys(want))
	at, err := d.lsRefs(ctx, from, names)
	if err == nil && len(at) > 0 {
		return at, nil
	}
	if err != nil && !errors.Is(err, errOtherwise) {
		return nil, err
	}
	// Nothing at all is no answer either: an empty repository is an error.
	return d.listed(ctx, from, func(name string) bool { _, ok := want[name]; return ok })
}
