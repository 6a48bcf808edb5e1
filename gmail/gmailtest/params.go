package gmailtest

import (
	"encoding/base64"
	"encoding/binary"
	"hash/fnv"
	"io"
	"slices"
	"strconv"
	"strings"
	"time"
)

// maxResults reads the size of a page: 100 when missing, at most 500.
func (c *call) maxResults() (int, *apiError) {
	v := c.query.Get("maxResults")
	if v == "" {
		return 100, nil
	}
	n, err := strconv.ParseUint(v, 10, 32)
	if err != nil {
		return 0, badArgument("Invalid value at 'max_results' (TYPE_UINT32), %q", v)
	}
	if n == 0 {
		return 100, nil
	}
	return int(min(n, 500)), nil
}

func (c *call) uint64Param(name string) (uint64, *apiError) {
	v := c.query.Get(name)
	if v == "" {
		return 0, nil
	}
	n, err := strconv.ParseUint(v, 10, 64)
	if err != nil {
		return 0, badArgument("Invalid value at '%s' (TYPE_UINT64), %q", name, v)
	}
	return n, nil
}

func (c *call) boolParam(name string) (bool, *apiError) {
	switch v := c.query.Get(name); v {
	case "", "false":
		return false, nil
	case "true":
		return true, nil
	default:
		return false, badArgument("Invalid value at '%s' (TYPE_BOOL), %q", name, v)
	}
}

// pageToken names a place in the list that the query asks for.
func (c *call) pageToken(a, b int64) string {
	token := binary.BigEndian.AppendUint32(nil, c.fingerprint())
	token = binary.BigEndian.AppendUint64(token, uint64(c.now.UnixMilli()))
	token = binary.BigEndian.AppendUint64(token, uint64(a))
	token = binary.BigEndian.AppendUint64(token, uint64(b))
	return base64.RawURLEncoding.EncodeToString(token)
}

func (c *call) readPageToken(s string) (a, b int64, e *apiError) {
	token, err := base64.RawURLEncoding.DecodeString(s)
	if err != nil || len(token) != 28 || binary.BigEndian.Uint32(token) != c.fingerprint() {
		return 0, 0, badArgument("Invalid pageToken")
	}
	given := time.UnixMilli(int64(binary.BigEndian.Uint64(token[4:])))
	if life := c.s.opts.PageTokenLife; life > 0 && c.now.Sub(given) > life {
		return 0, 0, badArgument("Invalid pageToken")
	}
	return int64(binary.BigEndian.Uint64(token[12:])), int64(binary.BigEndian.Uint64(token[20:])), nil
}

// fingerprint ties page tokens to the list they were given for.
func (c *call) fingerprint() uint32 {
	h := fnv.New32a()
	io.WriteString(h, c.b.user.Address+"\n"+c.m.id)
	for _, name := range []string{"q", "labelIds", "includeSpamTrash", "startHistoryId", "labelId", "historyTypes"} {
		values := slices.Sorted(slices.Values(c.query[name]))
		io.WriteString(h, "\n"+strings.Join(values, " "))
	}
	return h.Sum32()
}

// base64url encodes as the API does.
func (s *Server) base64url(b []byte) string {
	if s.opts.Unpadded {
		return base64.RawURLEncoding.EncodeToString(b)
	}
	return base64.URLEncoding.EncodeToString(b)
}

// decodeBase64url accepts base64url with and without padding.
func decodeBase64url(s string) ([]byte, error) {
	return base64.RawURLEncoding.DecodeString(strings.TrimRight(s, "="))
}
