/*
 * The surface to JavaScript, over Node-API; src/backends/native.ts is its caller, and src/backends/time-slice.ts. There is no state but in the
 * instance (what the processor offers) and in the unwrappers, so that each thread loads an addon of its own.
 *
 * Every argument is checked here: a wrong one is a TypeError, whatever JavaScript passes. Bytes may be views of shared
 * memory. Ways to compute are numbers: of X25519 as `x25519_tier` has them, of AES and SHA-256 as `symmetric` has them.
 */
#define NAPI_VERSION 8
#include <node_api.h>
#include <stdio.h>
#include <stdlib.h>

#include "chacha20.h"
#include "time-slice.h"
#include "unwrap.h"

typedef enum { SYMMETRIC_PORTABLE, SYMMETRIC_BEST } symmetric;

#define MOST_OUTPUT_BYTES (255 * SHA256_BYTES)
#define MOST_ARGUMENTS 6

/* The arguments of one call. After the first that is wrong an exception is pending, and the others read as empty. */
typedef struct {
  napi_env env;
  napi_value values[MOST_ARGUMENTS];
  int is_refused;
} call;

static call read_call(napi_env env, napi_callback_info info) {
  call now = {.env = env};
  size_t count = MOST_ARGUMENTS;
  now.is_refused = napi_get_cb_info(env, info, &count, now.values, NULL, NULL) != napi_ok;
  return now;
}

static void refuse(call *now, int index, const char *what) {
  char message[96];
  snprintf(message, sizeof message, "argument %d is not %s", index, what);
  if (!now->is_refused) napi_throw_type_error(now->env, NULL, message);
  now->is_refused = 1;
}

/* The bytes of a Uint8Array of `least` to `most` bytes. */
static uint8_t *bytes_within(call *now, int index, size_t least, size_t most, size_t *length) {
  napi_typedarray_type type;
  void *data = NULL;
  *length = 0;
  if (now->is_refused) return NULL;
  if (napi_get_typedarray_info(now->env, now->values[index], &type, length, &data, NULL, NULL) != napi_ok ||
      type != napi_uint8_array || *length < least || *length > most || (data == NULL && *length > 0)) {
    refuse(now, index, "a Uint8Array of the right length");
    return NULL;
  }
  return data;
}

static uint8_t *bytes_of(call *now, int index, size_t expected) {
  size_t length;
  return bytes_within(now, index, expected, expected, &length);
}

/* A whole number from `least` to `most`. */
static size_t number_within(call *now, int index, size_t least, size_t most) {
  double value;
  if (now->is_refused) return least;
  if (napi_get_value_double(now->env, now->values[index], &value) == napi_ok && value >= (double)least &&
      value <= (double)most && value == (double)(size_t)value) {
    return (size_t)value;
  }
  refuse(now, index, "a whole number within its range");
  return least;
}

static cpu_features features_of(call *now) {
  void *features = NULL;
  if (napi_get_instance_data(now->env, &features) != napi_ok || features == NULL) return (cpu_features){0, 0, 0, 0};
  return *(cpu_features *)features;
}

static x25519_tier tier_of(call *now, int index) {
  const x25519_tier tier = (x25519_tier)number_within(now, index, X25519_PORTABLE, X25519_IFMA);
  if (x25519_runs(tier, features_of(now))) return tier;
  refuse(now, index, "a way to compute that this processor has");
  return X25519_PORTABLE;
}

static sphinx_functions symmetric_of(call *now, int index) {
  sphinx_functions chosen = {X25519_PORTABLE, &aes_portable, sha256_compress_portable};
#if SPHINX_X86
  const cpu_features features = features_of(now);
  if (number_within(now, index, SYMMETRIC_PORTABLE, SYMMETRIC_BEST) == SYMMETRIC_PORTABLE) return chosen;
  if (features.aes) chosen.aes = &aes_ni;
  if (features.sha) chosen.sha256 = sha256_compress_ni;
#else
  number_within(now, index, SYMMETRIC_PORTABLE, SYMMETRIC_BEST);
#endif
  return chosen;
}

/* What of `cpu_features` is there, as bits: AVX2, AVX-512 IFMA, AES, SHA. */
static napi_value features(napi_env env, napi_callback_info info) {
  call now = read_call(env, info);
  const cpu_features found = features_of(&now);
  napi_value bits = NULL;
  napi_create_uint32(env, (uint32_t)(found.avx2 | found.avx512_ifma << 1 | found.aes << 2 | found.sha << 3), &bits);
  return bits;
}

/* (tier, products, scalars, elements, count) */
static napi_value x25519_batch_call(napi_env env, napi_callback_info info) {
  call now = read_call(env, info);
  const x25519_tier tier = tier_of(&now, 0);
  const size_t count = number_within(&now, 4, 0, X25519_BATCH);
  uint8_t *products = bytes_of(&now, 1, count * X25519_BYTES);
  const uint8_t *scalars = bytes_of(&now, 2, count * X25519_BYTES);
  const uint8_t *elements = bytes_of(&now, 3, count * X25519_BYTES);
  if (now.is_refused || count == 0) return NULL;
  x25519_batch(tier, (bytes32 *)products, (const bytes32 *)scalars, (const bytes32 *)elements, count);
  wipe_stack_below();
  return NULL;
}

/* (symmetric, direction, key, nonce, data) */
static napi_value aez_call(napi_env env, napi_callback_info info) {
  call now = read_call(env, info);
  const sphinx_functions functions = symmetric_of(&now, 0);
  const aez_direction direction = (aez_direction)number_within(&now, 1, AEZ_ENCIPHER, AEZ_DECIPHER);
  const uint8_t *key = bytes_of(&now, 2, AEZ_KEY_BYTES), *nonce = bytes_of(&now, 3, AES_BLOCK_BYTES);
  size_t length;
  uint8_t *data = bytes_within(&now, 4, AEZ_LEAST_BYTES, MOST_BODY_BYTES, &length);
  if (now.is_refused) return NULL;
  functions.aes->aez(key, nonce, data, length, direction);
  wipe_stack_below();
  return NULL;
}

/* (symmetric, key, counter, data) */
static napi_value aes_ctr_call(napi_env env, napi_callback_info info) {
  call now = read_call(env, info);
  const sphinx_functions functions = symmetric_of(&now, 0);
  const uint8_t *key = bytes_of(&now, 1, 32), *counter = bytes_of(&now, 2, AES_BLOCK_BYTES);
  size_t length;
  uint8_t *data = bytes_within(&now, 3, 0, SIZE_MAX, &length);
  if (now.is_refused) return NULL;
  functions.aes->ctr(key, counter, data, length);
  wipe_stack_below();
  return NULL;
}

/* (symmetric, mac, key, data) */
static napi_value hmac_sha256_call(napi_env env, napi_callback_info info) {
  call now = read_call(env, info);
  const sphinx_functions functions = symmetric_of(&now, 0);
  uint8_t *mac = bytes_of(&now, 1, SHA256_BYTES);
  size_t key_length, length;
  const uint8_t *key = bytes_within(&now, 2, 0, SIZE_MAX, &key_length);
  const uint8_t *data = bytes_within(&now, 3, 0, SIZE_MAX, &length);
  hmac_key prepared;
  if (now.is_refused) return NULL;
  hmac_prepare(functions.sha256, &prepared, key, key_length);
  hmac(functions.sha256, &prepared, data, length, mac);
  wipe(&prepared, sizeof prepared);
  wipe_stack_below();
  return NULL;
}

/* (symmetric, output, shared secret) */
static napi_value derive_keys_call(napi_env env, napi_callback_info info) {
  call now = read_call(env, info);
  const sphinx_functions functions = symmetric_of(&now, 0);
  size_t length;
  uint8_t *output = bytes_within(&now, 1, 0, MOST_OUTPUT_BYTES, &length);
  const uint8_t *secret = bytes_of(&now, 2, X25519_BYTES);
  if (now.is_refused) return NULL;
  derive_keys(functions.sha256, secret, output, length);
  wipe_stack_below();
  return NULL;
}

/* (output, key) */
static napi_value chacha20_call(napi_env env, napi_callback_info info) {
  call now = read_call(env, info);
  size_t length;
  uint8_t *output = bytes_within(&now, 0, 0, SIZE_MAX, &length);
  const uint8_t *key = bytes_of(&now, 1, 32);
  if (now.is_refused) return NULL;
  chacha20_stream(key, output, length);
  wipe_stack_below();
  return NULL;
}

/* What JavaScript holds of an unwrapper, by an external value. Once disposed of, it has no keys. */
typedef struct {
  int is_disposed;
  unwrapper keys;
} unwrapper_handle;

static void free_unwrapper(napi_env env, void *data, void *hint) {
  (void)env;
  (void)hint;
  wipe(data, sizeof(unwrapper_handle));
  free(data);
}

/* (tier, symmetric, hops, body bytes, private key, tag key) gives an external value. */
static napi_value create_unwrapper(napi_env env, napi_callback_info info) {
  call now = read_call(env, info);
  const x25519_tier tier = tier_of(&now, 0);
  sphinx_functions functions = symmetric_of(&now, 1);
  functions.x25519 = tier;
  const size_t hops = number_within(&now, 2, 1, MOST_HOPS);
  const size_t body_bytes = number_within(&now, 3, AEZ_LEAST_BYTES, MOST_BODY_BYTES);
  const uint8_t *private_key = bytes_of(&now, 4, X25519_BYTES), *tag_key = bytes_of(&now, 5, SHA256_BYTES);
  if (now.is_refused) return NULL;
  unwrapper_handle *handle = calloc(1, sizeof *handle);
  napi_value external = NULL;
  if (handle == NULL) {
    napi_throw_error(env, NULL, "no memory for an unwrapper");
    return NULL;
  }
  unwrapper_prepare(&handle->keys, functions, hops, body_bytes, private_key, tag_key);
  wipe_stack_below();
  if (napi_create_external(env, handle, free_unwrapper, NULL, &external) != napi_ok) {
    free_unwrapper(env, handle, NULL);
    napi_throw_error(env, NULL, "an unwrapper cannot be made");
  }
  return external;
}

static unwrapper_handle *handle_of(call *now, int index) {
  void *handle = NULL;
  if (now->is_refused) return NULL;
  if (napi_get_value_external(now->env, now->values[index], &handle) != napi_ok || handle == NULL) {
    refuse(now, index, "an unwrapper");
  }
  return handle;
}

/* (unwrapper, packets, outcomes, count) */
static napi_value unwrap_batch_call(napi_env env, napi_callback_info info) {
  call now = read_call(env, info);
  unwrapper_handle *handle = handle_of(&now, 0);
  const size_t count = number_within(&now, 3, 0, X25519_BATCH);
  if (now.is_refused) return NULL;
  if (handle->is_disposed) refuse(&now, 0, "an unwrapper that has its keys");
  size_t length;
  uint8_t *packets = bytes_within(&now, 1, count * handle->keys.packet_bytes, SIZE_MAX, &length);
  uint8_t *outcomes = bytes_within(&now, 2, count * OUTCOME_BYTES, SIZE_MAX, &length);
  if (now.is_refused || count == 0) return NULL;
  unwrap_batch(&handle->keys, packets, outcomes, count);
  return NULL;
}

/* (unwrapper) */
static napi_value dispose_unwrapper(napi_env env, napi_callback_info info) {
  call now = read_call(env, info);
  unwrapper_handle *handle = handle_of(&now, 0);
  if (now.is_refused) return NULL;
  wipe(&handle->keys, sizeof handle->keys);
  handle->is_disposed = 1;
  return NULL;
}

/* (thread, nanoseconds) */
static napi_value set_time_slice(napi_env env, napi_callback_info info) {
  call now = read_call(env, info);
  const size_t thread = number_within(&now, 0, 1, INT32_MAX);
  const size_t nanoseconds = number_within(&now, 1, 1, UINT32_MAX);
  napi_value taken = NULL;
  if (now.is_refused) return NULL;
  napi_get_boolean(env, time_slice_set((int)thread, nanoseconds), &taken);
  return taken;
}

static void free_features(napi_env env, void *data, void *hint) {
  (void)env;
  (void)hint;
  free(data);
}

NAPI_MODULE_INIT() {
  static const struct {
    const char *name;
    napi_callback call;
  } functions[] = {
      {"features", features},
      {"x25519Batch", x25519_batch_call},
      {"aez", aez_call},
      {"aesCtr", aes_ctr_call},
      {"hmacSha256", hmac_sha256_call},
      {"deriveKeys", derive_keys_call},
      {"chacha20", chacha20_call},
      {"createUnwrapper", create_unwrapper},
      {"unwrapBatch", unwrap_batch_call},
      {"disposeUnwrapper", dispose_unwrapper},
      {"setTimeSlice", set_time_slice},
  };
  cpu_features *found = malloc(sizeof *found);
  if (found == NULL) return NULL;
  *found = cpu_detect();
  if (napi_set_instance_data(env, found, free_features, NULL) != napi_ok) {
    free(found);
    return NULL;
  }
  for (size_t i = 0; i < sizeof functions / sizeof functions[0]; i++) {
    napi_value function;
    if (napi_create_function(env, functions[i].name, NAPI_AUTO_LENGTH, functions[i].call, NULL, &function) != napi_ok ||
        napi_set_named_property(env, exports, functions[i].name, function) != napi_ok) {
      return NULL;
    }
  }
  return exports;
}
