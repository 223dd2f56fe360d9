package archive

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	"github.com/postrider/postrider/pkg/event"
)

// fields are the fields that a line or header has had so far. The two forms of a
// key or value are one.
type fields uint8

const (
	hasVersion fields = 1 << iota
	hasTopic
	hasPartition
	hasOffset
	hasTime
	hasKey
	hasValue
)

// add notes a field.
func (f *fields) add(one fields, name string) error {
	if *f&one != 0 {
		return fmt.Errorf("there is a second %s", name)
	}
	*f |= one
	return nil
}

// missing says which of the wanted fields was not there.
func (f *fields) missing(wanted fields) error {
	for i, name := range []string{"v", "topic", "partition", "offset", "timestamp", "key", "value"} {
		if one := fields(1) << i; wanted&one != 0 && *f&one == 0 {
			return fmt.Errorf("the field %s is missing", name)
		}
	}
	return nil
}

// parser reads lines.
type parser struct {
	dec jsontext.Decoder
	src bytes.Buffer
}

// parse reads a line into r, which keeps nothing of it.
func (p *parser) parse(line []byte, r *Record) error {
	p.src = *bytes.NewBuffer(line)
	p.dec.Reset(&p.src)
	var have fields
	err := p.object(func(name string) error { return p.field(name, &have, r) })
	if err != nil {
		return clean(err)
	}
	if _, err := p.dec.ReadToken(); !errors.Is(err, io.EOF) {
		return errors.New("something follows the record")
	}
	return have.missing(hasVersion | hasTopic | hasPartition | hasOffset | hasTime | hasKey | hasValue)
}

// object reads an object; member reads the value of each.
func (p *parser) object(member func(name string) error) error {
	if p.dec.PeekKind() != '{' {
		return p.wrong("an object")
	}
	if _, err := p.dec.ReadToken(); err != nil {
		return err
	}
	for p.dec.PeekKind() != '}' {
		name, err := p.dec.ReadToken()
		if err != nil {
			return err
		}
		if err := member(name.String()); err != nil {
			return err
		}
	}
	_, err := p.dec.ReadToken()
	return err
}

// field reads one field of a line.
func (p *parser) field(name string, have *fields, r *Record) (err error) {
	var n int64
	switch name {
	case "v":
		*have |= hasVersion
		return p.version()
	case "topic":
		*have |= hasTopic
		r.Topic, err = p.text(name)
	case "partition":
		*have |= hasPartition
		n, err = p.integer(name, 0, math.MaxInt32)
		r.Partition = int(n)
	case "offset":
		*have |= hasOffset
		r.Offset, err = p.integer(name, 0, math.MaxInt64)
	case "timestamp":
		*have |= hasTime
		r.Time, err = p.time()
	case "headers":
		r.Headers, err = p.headers()
	case "value":
		r.Value, err = p.value(have)
	case "key", "key_base64":
		r.Key, err = p.bytes(name, "key", hasKey, have)
	case "value_base64":
		r.Value, err = p.bytes(name, "value", hasValue, have)
	default:
		err = unknown(name)
	}
	return err
}

func unknown(name string) error {
	return fmt.Errorf("the field %.40q is unknown; this program reads version %d of the format", name, version)
}

func (p *parser) version() error {
	n, err := p.integer("v", 0, math.MaxInt64)
	if err == nil && n != version {
		return fmt.Errorf("it is of version %d of the format, this program reads version %d", n, version)
	}
	return err
}

// text reads a name that is not empty.
func (p *parser) text(name string) (string, error) {
	if p.dec.PeekKind() != '"' {
		return "", p.wrong(name + " as a string")
	}
	token, err := p.dec.ReadToken()
	if err != nil {
		return "", err
	}
	if token.String() == "" {
		return "", fmt.Errorf("%s is empty", name)
	}
	return token.String(), nil
}

// integer reads a whole number.
func (p *parser) integer(name string, least, most int64) (int64, error) {
	if p.dec.PeekKind() != '0' {
		return 0, p.wrong(name + " as a number")
	}
	raw, err := p.dec.ReadValue()
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(string(raw), 10, 64)
	if err != nil || n < least || n > most {
		return 0, fmt.Errorf("%s is no whole number from %d to %d", name, least, most)
	}
	return n, nil
}

// time reads a timestamp.
func (p *parser) time() (time.Time, error) {
	if p.dec.PeekKind() == '0' {
		ms, err := p.integer("timestamp", math.MinInt64, math.MaxInt64)
		return time.UnixMilli(ms).UTC(), err
	}
	text, err := p.text("timestamp")
	if err != nil {
		return time.Time{}, err
	}
	t, err := time.Parse(layout, text)
	if err != nil {
		return time.Time{}, errors.New("timestamp is no time such as " + layout)
	}
	return t, nil
}

// value reads a value that is not in base64: null, text, or JSON as it is.
func (p *parser) value(have *fields) ([]byte, error) {
	if kind := p.dec.PeekKind(); kind != '{' && kind != '[' {
		return p.bytes("value", "value", hasValue, have)
	}
	if err := have.add(hasValue, "value"); err != nil {
		return nil, err
	}
	raw, err := p.dec.ReadValue()
	return bytes.Clone(raw), err
}

// bytes reads null, text, or base64 if the name says so.
func (p *parser) bytes(name, field string, one fields, have *fields) ([]byte, error) {
	if err := have.add(one, field); err != nil {
		return nil, err
	}
	encoded := name != field
	switch kind := p.dec.PeekKind(); {
	case kind == 'n' && !encoded:
		_, err := p.dec.ReadToken()
		return nil, err
	case kind != '"':
		return nil, p.wrong(name + " as a string")
	}
	raw, err := p.dec.ReadValue()
	if err != nil {
		return nil, err
	}
	text, err := jsontext.AppendUnquote(make([]byte, 0, len(raw)), raw)
	if err != nil || !encoded {
		return text, err
	}
	b, err := base64.StdEncoding.Strict().AppendDecode(make([]byte, 0, base64.StdEncoding.DecodedLen(len(text))), text)
	if err != nil {
		return nil, errors.New(name + " is no base64")
	}
	return b, nil
}

// headers reads a record's headers.
func (p *parser) headers() ([]event.Header, error) {
	if p.dec.PeekKind() != '[' {
		return nil, p.wrong("headers as an array")
	}
	if _, err := p.dec.ReadToken(); err != nil {
		return nil, err
	}
	var list []event.Header
	for p.dec.PeekKind() != ']' {
		h, err := p.header()
		if err != nil {
			return nil, err
		}
		list = append(list, h)
	}
	_, err := p.dec.ReadToken()
	return list, err
}

func (p *parser) header() (h event.Header, err error) {
	var have fields
	err = p.object(func(name string) error {
		var key []byte
		var err error
		switch name {
		case "key", "key_base64":
			if key, err = p.bytes(name, "key", hasKey, &have); err == nil && key == nil {
				err = errors.New("a header's key is null")
			}
			h.Key = string(key)
		case "value", "value_base64":
			h.Value, err = p.bytes(name, "value", hasValue, &have)
		default:
			err = unknown(name)
		}
		return err
	})
	if err == nil {
		err = have.missing(hasKey | hasValue)
	}
	return h, err
}

// wrong says that something else was expected, or why nothing can be read here.
func (p *parser) wrong(wanted string) error {
	if _, err := p.dec.ReadToken(); err != nil {
		return err
	}
	return fmt.Errorf("byte %d: want %s", p.dec.InputOffset(), wanted)
}

// clean takes what an archive holds out of a tokenizer's error.
func clean(err error) error {
	if errors.Is(err, io.EOF) {
		return errors.New("there is no record on it")
	}
	if e, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		return fmt.Errorf("byte %d: no valid JSON: %w", e.ByteOffset, e.Err) // without the place's name
	}
	return err
}
