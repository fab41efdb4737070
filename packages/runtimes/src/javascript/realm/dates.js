/**
 * Date on a virtual clock, in UTC, with one parser: ECMAScript fixes the ISO form and the two forms that toString and
 * toUTCString print; every other text is the engine's guess, so here it is an invalid date.
 */

const ISO_FORM =
  /^([+-]\d{6}|\d{4})(?:-(\d\d)(?:-(\d\d))?)?(?:T(\d\d):(\d\d)(?::(\d\d)(?:\.(\d+))?)?(?:(Z)|([+-])(\d\d):(\d\d))?)?$/;
const TEXT_FORM = /^[A-Z][a-z]{2} ([A-Z][a-z]{2}) (\d\d) (-?\d{4,6})(?: (\d\d):(\d\d):(\d\d) GMT([+-])(\d\d)(\d\d))?$/;
const UTC_FORM = /^[A-Z][a-z]{2}, (\d\d) ([A-Z][a-z]{2}) (-?\d{4,6}) (\d\d):(\d\d):(\d\d) GMT$/;
const MONTHS = 'JanFebMarAprMayJunJulAugSepOctNovDec';

/** Parses; `toTime` is (year, month, day, hour, minute, second, millisecond) -> milliseconds, all in UTC. */
function parseDate(text, toTime, execute) {
  const number = (part, otherwise = 0) => (part === undefined ? otherwise : Number(part));
  const offsetOf = (sign, hours, minutes) =>
    sign === undefined ? 0 : (sign === '-' ? -1 : 1) * (number(hours) * 60 + number(minutes));
  const checked = (year, month, day, hour, minute, second, millisecond, offsetMinutes) => {
    if (!(month >= 0 && month <= 11 && day >= 1 && day <= 31 && minute <= 59 && second <= 59)) return NaN;
    if (hour > 24 || (hour === 24 && (minute > 0 || second > 0 || millisecond > 0))) return NaN;
    return toTime(year, month, day, hour, minute, second, millisecond) - offsetMinutes * 60000;
  };
  let match = execute(ISO_FORM, text);
  if (match !== null) {
    const [, year, month, day, hour, minute, second, fraction, , sign, offsetHour, offsetMinute] = match;
    if (year === '-000000' || number(offsetHour) > 23 || number(offsetMinute) > 59) return NaN;
    const millisecond = fraction === undefined ? 0 : number(`${fraction}00`.slice(0, 3));
    return checked(
      number(year),
      number(month, 1) - 1,
      number(day, 1),
      number(hour),
      number(minute),
      number(second),
      millisecond,
      offsetOf(sign, offsetHour, offsetMinute),
    );
  }
  match = execute(TEXT_FORM, text);
  if (match !== null) {
    const [, month, day, year, hour, minute, second, sign, offsetHour, offsetMinute] = match;
    return checked(
      number(year),
      MONTHS.indexOf(month) / 3,
      number(day),
      number(hour),
      number(minute),
      number(second),
      0,
      offsetOf(sign, offsetHour, offsetMinute),
    );
  }
  match = execute(UTC_FORM, text);
  if (match === null) return NaN;
  const [, day, month, year, hour, minute, second] = match;
  return checked(
    number(year),
    MONTHS.indexOf(month) / 3,
    number(day),
    number(hour),
    number(minute),
    number(second),
    0,
    0,
  );
}

function datePrimitive(value) {
  if ((typeof value !== 'object' && typeof value !== 'function') || value === null) return value;
  const exotic = value[Symbol.toPrimitive];
  if (exotic !== undefined && exotic !== null) return exotic.call(value, 'default');
  const primitive = value.valueOf();
  return (typeof primitive !== 'object' && typeof primitive !== 'function') || primitive === null
    ? primitive
    : `${value}`;
}

/** Replaces the global Date. */
export function replaceDate(clock) {
  const NativeDate = Date;
  const { construct } = Reflect;
  const call = Function.prototype.call;
  const getTime = call.bind(NativeDate.prototype.getTime);
  const setFullYear = call.bind(NativeDate.prototype.setUTCFullYear);
  const setHours = call.bind(NativeDate.prototype.setUTCHours);
  const execute = call.bind(RegExp.prototype.exec);
  const nativeText = call.bind(NativeDate.prototype.toString);
  const nativeTimeText = call.bind(NativeDate.prototype.toTimeString);
  const nativeDateText = call.bind(NativeDate.prototype.toDateString);
  const toTime = (year, month, day, ...time) => {
    const date = new NativeDate(0);
    setFullYear(date, year, month, day);
    return setHours(date, ...time);
  };
  const parse = (text) => parseDate(text, toTime, execute);
  const isDate = (value) => {
    try {
      getTime(value);
      return true;
    } catch {
      return false;
    }
  };
  const timeOf = (value) => {
    if (isDate(value)) return getTime(value);
    const primitive = datePrimitive(value);
    return typeof primitive === 'string' ? parse(primitive) : Number(primitive);
  };
  // V8 appends the name of the time zone.
  const withoutZoneName = (text) => {
    const end = text.indexOf(' (');
    return end < 0 ? text : text.slice(0, end);
  };

  const replacement = {
    Date: function (...values) {
      if (new.target === undefined) return withoutZoneName(nativeText(new NativeDate(clock.read())));
      if (values.length === 0) return construct(NativeDate, [clock.read()], new.target);
      if (values.length === 1) return construct(NativeDate, [timeOf(values[0])], new.target);
      return construct(NativeDate, values, new.target);
    },
  }.Date;
  const prototype = NativeDate.prototype;
  const statics = { now: () => clock.read(), parse: (text) => parse(`${text}`), UTC: NativeDate.UTC };
  const methods = {
    toString() {
      return withoutZoneName(nativeText(this));
    },
    toTimeString() {
      return withoutZoneName(nativeTimeText(this));
    },
    toLocaleString() {
      return withoutZoneName(nativeText(this));
    },
    toLocaleDateString() {
      return nativeDateText(this);
    },
    toLocaleTimeString() {
      return withoutZoneName(nativeTimeText(this));
    },
  };
  return { replacement, prototype, statics, methods };
}
