// Package filter is Stream's query language as data: which of many objects are
// meant, in which order, and which stretch of them. A filter is parsed once
// against the fields that may be asked for, so that a mistake is told before
// anything is read, and then matched against objects whose fields are looked up
// only when they are needed.
//
// There are two readers of filters. [Parse] takes the operators of exports;
// [ParseWith] takes those of the data API too ($autocomplete, $q, $contains,
// null) and, if told so, fields that are in no table: custom fields, which hold
// any JSON. A dot in their names reaches into objects, and "custom." in front of
// them changes nothing. [CustomValue] finds what such a name means in the custom
// fields of an object.
//
// A [Sort] is read the same way. It is applied by a [Page], which sees all
// objects one by one and keeps no more of them than it must.
//
//	key, err := sort.AppendKey(key[:0], get)
//	if page.Wants(key, id) {
//		page.Add(key, id, copyOf(row))
//	}
//
// Values compare with their own kind only: numbers exactly, however large or
// precise, strings byte by byte. Values of two kinds are never equal.
package filter
