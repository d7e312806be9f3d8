//! ONNX Runtime: the only file that names `ort`.
//!
//! The shared library is opened once per process and stays. A session is one replica of a model; `run` takes it exclusively, so every
//! worker thread has its own. Tensors are copied once on their way in and once on their way out. What ONNX Runtime logs goes to the log
//! under the target `onnxruntime`, never to stdout or stderr.

use std::error::Error as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use forebay_protocol::{Dtype, InferRequest, Tensor, TensorSpec};
use half::{bf16, f16};
use ort::environment::Environment;
use ort::logging::LogLevel;
use ort::session::{OutputSelector, RunOptions, Session, SessionOutputs};
use ort::value::{DynValue, Outlet, PrimitiveTensorElementType, Tensor as OrtTensor, TensorElementType, ValueType};
use parking_lot::Mutex;

use crate::elements::{Element, write_strings};
use crate::error::LibraryError;
use crate::model::{Model, RunError};

/// Oldest minor version of ONNX Runtime 1 that can be loaded.
pub(crate) const OLDEST_MINOR: u32 = ort::MINOR_VERSION;

/// Characters of a message of ONNX Runtime that are passed on. Some repeat whole shapes.
const LONGEST_DETAIL: usize = 300;

/// The library that this process runs on: `ort` keeps the first for good.
static LIBRARY: Mutex<Option<(PathBuf, Environment)>> = Mutex::new(None);

/// ONNX Runtime, ready to open sessions.
#[derive(Clone)]
pub(crate) struct Library(Environment);

impl Library {
    /// Opens the library at `path`, or takes the one that is open already.
    pub(crate) fn open(path: PathBuf) -> Result<Self, LibraryError> {
        let mut open = LIBRARY.lock();
        if let Some((loaded, environment)) = &*open {
            if *loaded != path {
                return Err(LibraryError::Another { loaded: loaded.clone(), asked: path });
            }
            return Ok(Library(environment.clone()));
        }
        let refused = |detail: String| LibraryError::Refused { path: path.clone(), detail };
        let environment = ort::init_from(&path)
            .map_err(|error| refused(not_loaded(&error)))?
            .with_name("forebay")
            .with_telemetry(false)
            .with_logger(Arc::new(|level, _, _, place, message| log(level, place, message)))
            .build()
            .map_err(|error| refused(detail_of(&error)))?;
        // `ort` asks for everything when there is a logger; below warnings, each run would format lines that nobody reads.
        environment.set_log_level(LogLevel::Warning);
        *open = Some((path, environment.clone()));
        Ok(Library(environment))
    }
}

/// With the loader's own words, which `ort` leaves behind as the source of its error's field.
fn not_loaded(error: &ort::LoadDynamicError) -> String {
    match error {
        ort::LoadDynamicError::Dlopen { error: dlopen, .. } => dlopen.source().map_or_else(|| error.to_string(), ToString::to_string),
        _ => error.to_string(),
    }
}

/// Errors come back as values too, and a caller may cause one per request: only what ends the process is loud.
fn log(level: LogLevel, place: &str, message: &str) {
    match level {
        LogLevel::Fatal => tracing::error!(target: "onnxruntime", place, "{message}"),
        LogLevel::Error | LogLevel::Warning => tracing::debug!(target: "onnxruntime", place, "{message}"),
        LogLevel::Info | LogLevel::Verbose => tracing::trace!(target: "onnxruntime", place, "{message}"),
    }
}

/// One session.
pub(crate) struct OnnxModel {
    session: Session,
}

impl OnnxModel {
    /// Opens a model file; the error is ONNX Runtime's own.
    pub(crate) fn open(library: &Library, file: &Path, threads: usize) -> Result<Self, String> {
        session(library, file, threads).map(|session| OnnxModel { session }).map_err(|error| detail_of(&error))
    }

    pub(crate) fn inputs(&self) -> Result<Vec<TensorSpec>, String> {
        self.session.inputs().iter().map(spec).collect()
    }

    pub(crate) fn outputs(&self) -> Result<Vec<TensorSpec>, String> {
        self.session.outputs().iter().map(spec).collect()
    }

    /// ONNX Runtime does not miss an input: it runs the kernels on nothing.
    fn check_all_there(&self, request: &InferRequest) -> Result<(), RunError> {
        let given = |name: &str| request.inputs.iter().any(|input| input.tensor.name() == name);
        match self.session.inputs().iter().find(|input| !given(input.name())) {
            Some(missing) => Err(RunError::Refused { detail: format!("input {:?} is missing", missing.name()) }),
            None => Ok(()),
        }
    }
}

fn session(library: &Library, file: &Path, threads: usize) -> ort::Result<Session> {
    Session::builder(&library.0)?
        .with_intra_threads(threads)?
        .with_inter_threads(1)?
        // Idle threads that spin take the core from whoever fills the next batch.
        .with_intra_op_spinning(false)?
        // A pattern is kept for every shape that was ever seen: callers choose shapes, so it would grow without bound.
        .with_memory_pattern(false)?
        .commit_from_file(file)
}

/// An input or output as the protocol declares it. Refused: what is no tensor, and datatypes that the protocol has no name for.
fn spec(outlet: &Outlet) -> Result<TensorSpec, String> {
    let name = outlet.name().to_owned();
    match outlet.dtype() {
        ValueType::Tensor { ty, shape, .. } => match dtype_of(*ty) {
            Some(dtype) => Ok(TensorSpec { name, dtype, shape: shape.to_vec() }),
            None => Err(format!("{name:?} has the datatype {ty}, which the Open Inference Protocol does not know")),
        },
        other => Err(format!("{name:?} is not a tensor but {other}")),
    }
}

impl Model for OnnxModel {
    fn run(&mut self, request: &InferRequest) -> Result<Vec<Tensor>, RunError> {
        self.check_all_there(request)?;
        let inputs: Vec<(&str, DynValue)> =
            request.inputs.iter().map(|input| Ok((input.tensor.name(), value(&input.tensor)?))).collect::<Result<_, RunError>>()?;
        if request.outputs.is_empty() {
            return answers(&self.session.run(inputs).map_err(|error| run_error(&error))?);
        }
        let wanted = request.outputs.iter().fold(OutputSelector::no_default(), |wanted, output| wanted.with(&output.name));
        let options = RunOptions::new().map_err(|error| run_error(&error))?.with_outputs(wanted);
        answers(&self.session.run_with_options(inputs, &options).map_err(|error| run_error(&error))?)
    }
}

fn answers(outputs: &SessionOutputs<'_>) -> Result<Vec<Tensor>, RunError> {
    outputs.iter().map(|(name, value)| tensor(name, &value)).collect()
}

/// Evaluates `$numbers` with `$element` as the datatype's Rust type, or `$strings` for `BYTES`.
macro_rules! for_element_of {
    ($dtype:expr, $element:ident => $numbers:expr, BYTES => $strings:expr) => {
        for_element_of!(@match $dtype, $element, $numbers, $strings,
            Bool bool, Uint8 u8, Uint16 u16, Uint32 u32, Uint64 u64, Int8 i8, Int16 i16, Int32 i32, Int64 i64,
            Fp16 f16, Bf16 bf16, Fp32 f32, Fp64 f64)
    };
    (@match $dtype:expr, $element:ident, $numbers:expr, $strings:expr, $($name:ident $type:ty),+) => {
        match $dtype {
            $(Dtype::$name => {
                type $element = $type;
                $numbers
            })+
            Dtype::Bytes => $strings,
        }
    };
}

/// A tensor of the protocol as a value of ONNX Runtime.
fn value(tensor: &Tensor) -> Result<DynValue, RunError> {
    let value = for_element_of!(tensor.dtype(),
        E => OrtTensor::from_array((tensor.shape(), E::read(tensor.data()))).map(|value| value.into_dyn()),
        BYTES => OrtTensor::from_string_array((tensor.shape(), &*strings(tensor)?)).map(|value| value.into_dyn()));
    value.map_err(|error| run_error(&error))
}

/// `BYTES` elements as ONNX's strings, which are UTF-8 and end at the first NUL.
fn strings(tensor: &Tensor) -> Result<Vec<String>, RunError> {
    let refused = |index: usize, why: &str| RunError::Refused {
        detail: format!("element {index} of input {:?} {why}; an ONNX string is UTF-8 without NUL", tensor.name()),
    };
    let string = |(index, bytes): (usize, _)| match std::str::from_utf8(bytes) {
        Ok(text) if text.contains('\0') => Err(refused(index, "has a NUL byte")),
        Ok(text) => Ok(text.to_owned()),
        Err(_) => Err(refused(index, "is not UTF-8")),
    };
    tensor.bytes_elements().enumerate().map(string).collect()
}

/// A value of ONNX Runtime as a tensor of the protocol.
fn tensor(name: &str, value: &DynValue) -> Result<Tensor, RunError> {
    let failed = |detail: String| RunError::Failed { detail: format!("output {name:?} {detail}") };
    let dtype = match value.dtype() {
        ValueType::Tensor { ty, .. } => dtype_of(*ty),
        _ => None,
    };
    let dtype = dtype.ok_or_else(|| failed(format!("is {}, which the protocol does not know", value.dtype())))?;
    let (shape, data) = for_element_of!(dtype,
        E => extract::<E>(value),
        BYTES => value.try_extract_strings().map(|(shape, strings)| (shape.to_vec(), write_strings(&strings))))
    .map_err(|error| failed(format!("cannot be read: {}", detail_of(&error))))?;
    let data = data.ok_or_else(|| failed("has a string of 4 GiB or more".to_owned()))?;
    let shape = shape.iter().map(|&dim| usize::try_from(dim)).collect::<Result<_, _>>();
    let shape = shape.map_err(|_| failed("has a negative dimension".to_owned()))?;
    Tensor::new(name, dtype, shape, data).map_err(|error| failed(error.to_string()))
}

fn extract<E: Element + PrimitiveTensorElementType>(value: &DynValue) -> ort::Result<(Vec<i64>, Option<bytes::Bytes>)> {
    value.try_extract_tensor::<E>().map(|(shape, elements)| (shape.to_vec(), Some(E::write(elements))))
}

/// The protocol's name of an ONNX datatype.
fn dtype_of(ty: TensorElementType) -> Option<Dtype> {
    Some(match ty {
        TensorElementType::Bool => Dtype::Bool,
        TensorElementType::Uint8 => Dtype::Uint8,
        TensorElementType::Uint16 => Dtype::Uint16,
        TensorElementType::Uint32 => Dtype::Uint32,
        TensorElementType::Uint64 => Dtype::Uint64,
        TensorElementType::Int8 => Dtype::Int8,
        TensorElementType::Int16 => Dtype::Int16,
        TensorElementType::Int32 => Dtype::Int32,
        TensorElementType::Int64 => Dtype::Int64,
        TensorElementType::Float16 => Dtype::Fp16,
        TensorElementType::Bfloat16 => Dtype::Bf16,
        TensorElementType::Float32 => Dtype::Fp32,
        TensorElementType::Float64 => Dtype::Fp64,
        TensorElementType::String => Dtype::Bytes,
        _ => return None,
    })
}

/// ONNX Runtime calls an invalid argument what the inputs' names, shapes or values caused, in its own checks and in most kernels.
fn run_error(error: &ort::Error) -> RunError {
    let detail = detail_of(error);
    match error.code() {
        ort::ErrorCode::InvalidArgument => RunError::Refused { detail },
        _ => RunError::Failed { detail },
    }
}

/// The message in one line, without the places in ONNX Runtime's source and the stack that some end with.
fn detail_of(error: &ort::Error) -> String {
    one_line(error.message())
}

fn one_line(message: &str) -> String {
    let words = message.split_whitespace().take_while(|word| !word.starts_with("Stacktrace"));
    let told: Vec<&str> = words.filter(|word| !word.starts_with("/onnxruntime_src/")).collect();
    told.join(" ").chars().take(LONGEST_DETAIL).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_one_line_without_places_in_foreign_source() {
        let message = "Bad node.\n /onnxruntime_src/core/x.cc:97 index: 1 Got: 5\nStacktrace:\n0# main";
        assert_eq!(one_line(message), "Bad node. index: 1 Got: 5");
        assert_eq!(one_line(&"é ".repeat(LONGEST_DETAIL)).chars().count(), LONGEST_DETAIL);
    }
}
