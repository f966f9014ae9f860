"""Operators of TensorFlow's that a graph may have: deterministic maths on tensors, calls and loops.

None reads or writes files, calls Python, asks a table, draws numbers, prints, or keeps something from call to call.
"""

__all__ = ["ALLOWED", "LOOPS", "READS_VARIABLES"]

LOOPS = frozenset({"Enter", "LoopCond", "NextIteration", "StatelessWhile", "While"})
READS_VARIABLES = frozenset({"ReadVariableOp", "ResourceGather", "ResourceGatherNd", "VarHandleOp"})
"""Until the variables have become constants."""
_ELEMENTS = """
Abs Acos Acosh Add AddN AddV2 Asin Asinh Atan Atan2 Atanh BiasAdd Bitcast BitwiseAnd BitwiseOr BitwiseXor Cast Ceil
ClipByValue Complex ComplexAbs Conj Cos Cosh Digamma Div DivNoNan Elu Equal Erf Erfc Erfinv Exp Expm1 Floor FloorDiv
FloorMod Greater GreaterEqual Imag Inv Invert IsFinite IsInf IsNan LeakyRelu LeftShift Less LessEqual Lgamma Log Log1p
LogicalAnd LogicalNot LogicalOr Maximum Minimum Mod Mul MulNoNan Neg NotEqual Pow Real RealDiv Reciprocal Relu Relu6
RightShift Rint Round Rsqrt Select SelectV2 Selu Sigmoid Sign Sin Sinh Softplus Softsign Sqrt Square SquaredDifference
Sub Tan Tanh TruncateDiv TruncateMod Xdivy Xlog1py Xlogy
"""
_REDUCTIONS = """
All Any ArgMax ArgMin Bincount Bucketize Cumprod Cumsum CumulativeLogsumexp DenseBincount EuclideanNorm InTopKV2 L2Loss
LowerBound Max Mean Min Prod SegmentMax SegmentMean SegmentMin SegmentProd SegmentSum Sum TopK TopKV2
UnsortedSegmentMax UnsortedSegmentMin UnsortedSegmentProd UnsortedSegmentSum UpperBound
"""
_MATRICES = """
BatchMatMul BatchMatMulV2 BatchMatMulV3 Cross Einsum MatMul MatrixBandPart MatrixDiag MatrixDiagPart MatrixDiagPartV2
MatrixDiagPartV3 MatrixDiagV2 MatrixDiagV3 MatrixSetDiag MatrixSetDiagV2 MatrixSetDiagV3
"""
_NETWORKS = """
AvgPool AvgPool3D BatchToSpaceND Conv2D Conv2DBackpropInput Conv3D Conv3DBackpropInputV2 CropAndResize DepthToSpace
DepthwiseConv2dNative Dilation2D ExtractImagePatches FakeQuantWithMinMaxArgs FakeQuantWithMinMaxVars
FakeQuantWithMinMaxVarsPerChannel FusedBatchNorm FusedBatchNormV2 FusedBatchNormV3 ImageProjectiveTransformV2
ImageProjectiveTransformV3 LRN LogSoftmax MaxPool MaxPool3D MaxPoolV2 MirrorPad NonMaxSuppressionV3 NonMaxSuppressionV4
NonMaxSuppressionV5 Pad PadV2 QuantizeAndDequantizeV2 QuantizeAndDequantizeV3 QuantizeAndDequantizeV4 ResizeArea
ResizeBicubic ResizeBilinear ResizeNearestNeighbor ScaleAndTranslate Softmax SpaceToBatchND SpaceToDepth
"""
_PICTURES = "AdjustContrastv2 AdjustHue AdjustSaturation HSVToRGB RGBToHSV"
_SIGNALS = "AudioSpectrogram FFT FFT2D FFT3D IFFT IFFT2D IFFT3D IRFFT IRFFT2D IRFFT3D Mfcc RFFT RFFT2D RFFT3D"
_SHAPES = """
BroadcastArgs BroadcastTo CheckNumerics Concat ConcatV2 ConjugateTranspose Const DynamicPartition DynamicStitch
EnsureShape ExpandDims Fill Gather GatherNd GatherV2 Identity IdentityN InvertPermutation LinSpace NoOp OneHot OnesLike
Pack Placeholder PlaceholderWithDefault PreventGradient Range Rank Reshape Reverse ReverseSequence ReverseV2 Roll
ScatterNd Shape ShapeN Size Slice Snapshot Split SplitV Squeeze StopGradient StridedSlice TensorScatterAdd
TensorScatterMax TensorScatterMin TensorScatterSub TensorScatterUpdate Tile Transpose Unique UniqueV2 Unpack Where
ZerosLike
"""
_CALLS = """
Assert Case Exit If Merge PartitionedCall StatefulPartitionedCall StatelessCase StatelessIf Switch
EmptyTensorList TensorListConcatV2 TensorListElementShape TensorListFromTensor TensorListGather TensorListGetItem
TensorListLength TensorListPopBack TensorListPushBack TensorListReserve TensorListResize TensorListSetItem
TensorListSplit TensorListStack
"""
ALLOWED = LOOPS | frozenset(
    " ".join(
        (_ELEMENTS, _REDUCTIONS, _MATRICES, _NETWORKS, _PICTURES, _SIGNALS, _SHAPES, _CALLS)
    ).split()
)  # fmt: skip
