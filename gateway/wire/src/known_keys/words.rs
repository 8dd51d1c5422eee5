//! The words of each dialect.

/// Keys of chat completions, legacy completions, embeddings and moderations.
pub(super) const OPENAI: &str = "\
accepted_prediction_tokens additionalProperties allOf allowed_tools annotations anyOf \
approximate arguments assistant audio audio_tokens audio_url auto b64_json best_of bytes \
cache_write_tokens cached_tokens categories category_applied_input_types category_scores choices \
city code completion_reason completion_tokens completion_tokens_details const content \
content_filter_result content_filter_results cost cost_details country created created_at custom \
data default definition delta description detail detected dimensions echo embedding embeddings \
encoding_format end_index enum error examples expires_at file file_data file_id filename \
filtered finish_reason flagged format frequency_penalty function function_call functions \
generation grammar hate id image_url include_obfuscation include_usage index innererror input \
input_audio items jailbreak json_schema logit_bias logprob logprobs matched_stop maxItems \
maxLength max_completion_tokens max_tokens maximum message messages metadata minItems minLength \
min_p minimum modalities mode model n name native_finish_reason not nullable obfuscation object \
oneOf parallel_tool_calls param parameters pattern prediction presence_penalty profanity prompt \
prompt_cache_key prompt_cache_retention prompt_filter_results prompt_logprobs prompt_token_ids \
prompt_tokens prompt_tokens_details properties provider reasoning reasoning_content \
reasoning_details reasoning_effort reasoning_tokens refusal region rejected_prediction_tokens \
required response_format results role safety_identifier schema search_context_size seed \
self_harm service_tier severity sexual start_index stop stop_reason store stream stream_options \
strict suffix syntax system_fingerprint temperature text text_offset thinking timezone title \
token token_ids token_logprobs tokens tool_call_id tool_calls tool_choice tools top_k \
top_logprobs top_p total_tokens transcript type url url_citation usage user user_location \
verbosity video_url violence voice web_search_options";

/// Keys of the responses API.
pub(super) const RESPONSES: &str = "\
acknowledged_safety_checks action actions always annotation annotation_index approval_request_id \
approve attributes authorization background billing button call_id command completed_at \
computer_call_output connector_id container container_id content_index conversation created_by \
diff display_height display_width effort encrypted_content env environment file_ids filters \
generate_summary headers include incomplete_details input_fidelity input_image_mask input_tokens \
input_tokens_details instructions item item_id keys logs mask max_output_tokens max_tool_calls \
moderation never operation output output_compression output_format output_index output_text \
output_tokens output_tokens_details outputs part partial_image_b64 partial_image_index path \
payer pending_safety_checks phase previous_response_id quality queries query ranking_options \
read_only reason require_approval response responses score scroll_x scroll_y sequence_number \
server_description server_label server_url size sources status summary summary_index timeout_ms \
tool_names truncation variables vector_store_ids version working_directory x y";

/// Keys of the messages API and its batches.
pub(super) const ANTHROPIC: &str = "\
additionalProperties allOf allowed_callers allowed_domains allowed_tools anyOf applied_edits \
archived_at authorization_token betas blocked_domains budget_tokens cache_control cache_creation \
cache_creation_input_tokens cache_read_input_tokens caller cancel_initiated_at canceled category \
citation citations cited_text city cleared_input_tokens cleared_tool_uses compact const \
container content content_block context context_management country created_at custom_id data \
default defer_loading delta description disable_parallel_tool_use display_height_px \
display_number display_width_px document_index document_title edits effort enabled \
encrypted_content encrypted_index end_block_index end_char_index end_page_number ended_at enum \
ephemeral ephemeral_1h_input_tokens ephemeral_5m_input_tokens error error_code errored examples \
expired expires_at explanation file_id file_type format id index inference_geo input \
input_examples input_schema input_tokens is_error is_file_update items lines maxItems maxLength \
max_tokens max_uses maximum mcp_servers media_type message messages metadata minItems minLength \
minimum model name new_lines new_start not nullable num_lines old_lines old_start oneOf \
output_config output_format output_tokens page_age params partial_json pattern processing \
processing_status properties region request_counts requests required results_url retrieved_at \
return_code role schema server_name server_tool_use service_tier signature skill_id skills \
source speed start_block_index start_char_index start_line start_page_number stderr stdout \
stop_details stop_reason stop_sequence stop_sequences stream strict succeeded system temperature \
text thinking timezone title tool_choice tool_configuration tool_name tool_reference tool_use_id \
tools top_k top_p total_lines trigger ttl type url usage user_id user_location version \
web_fetch_requests web_search_requests";

/// Keys of Gemini.
pub(super) const GEMINI: &str = "\
additionalProperties allOf allowedFunctionNames allowed_function_names anyOf args avgLogprobs \
blockReason blockReasonMessage blocked boolValue cacheTokensDetails cachedContent \
cachedContentTokenCount cached_content candidateCount candidate_count candidates \
candidatesTokenCount candidatesTokensDetails category chosenCandidates citationMetadata \
citationSources citations code codeExecution codeExecutionResult code_execution \
code_execution_result confidenceScores const content contents createTime data default \
description details displayName domain dynamicRetrievalConfig embedding embeddings endIndex \
endOffset enum error examples executableCode executable_code fileData fileUri file_data file_uri \
finishMessage finishReason finish_reason format fps frequencyPenalty functionCall \
functionCallingConfig functionDeclarations functionResponse function_call \
function_calling_config function_declarations function_response generateContentRequest \
generationConfig generation_config googleSearch googleSearchRetrieval google_search \
groundingAttributions groundingChunkIndices groundingChunks groundingMetadata groundingSupports \
id includeThoughts index inlineData inline_data instances items jsonPath labels language license \
logProbability logprobs logprobsResult maxItems maxLength maxOutputTokens max_output_tokens \
maximum mediaResolution message metadata mimeType mime_type minItems minLength minimum modality \
mode model modelVersion name not nullValue nullable numberValue oneOf outcome output \
outputDimensionality parameters parametersJsonSchema partialArgs parts pattern presencePenalty \
probability probabilityScore promptFeedback promptTokenCount promptTokensDetails properties \
propertyOrdering publicationDate reason renderedContent requests required response responseId \
responseJsonSchema responseLogprobs responseMimeType responseModalities responseSchema \
response_mime_type response_schema retrievalMetadata retrievedContext retrievedUrl role \
safetyRatings safetySettings safety_settings sdkBlob searchEntryPoint seed segment severity \
severityScore speechConfig startIndex startOffset statistics status stopSequences stop_sequences \
stringValue systemInstruction system_instruction taskType temperature text thinkingBudget \
thinkingConfig thinkingLevel thinking_config thought thoughtSignature thought_signature \
thoughtsTokenCount threshold title token tokenCount tokenId toolConfig toolUsePromptTokenCount \
toolUsePromptTokensDetails tool_config tools topCandidates topK topP top_k top_p \
totalBillableCharacters totalTokenCount totalTokens trafficType truncated type uri urlContext \
urlContextMetadata urlMetadata urlRetrievalStatus url_context usageMetadata values videoMetadata \
video_metadata web webSearchQueries willContinue";

/// Keys of Ollama.
pub(super) const OLLAMA: &str = "\
additionalProperties allOf anyOf arguments bytes code const content context created_at default \
description done done_reason enum error eval_count eval_duration examples format \
frequency_penalty function id images index items keep_alive load_duration logprob logprobs \
main_gpu maxItems maxLength maximum message messages minItems minLength min_p minimum mirostat \
mirostat_eta mirostat_tau model name not nullable num_batch num_ctx num_gpu num_keep num_predict \
num_thread numa oneOf options parameters pattern penalize_newline presence_penalty prompt \
prompt_eval_count prompt_eval_duration properties raw remote_host remote_model repeat_last_n \
repeat_penalty required response role seed shift stop stream suffix system temperature template \
tfs_z think thinking title token tool_calls tool_name tools top_k top_logprobs top_p \
total_duration truncate type typical_p use_mmap";

/// Keys of `KServe`, both versions.
pub(super) const KSERVE: &str = "\
b64 binary_data binary_data_size classification data datatype error explanations id inputs \
instances model_name model_version name outputs parameters predictions shape signature_name \
text_input text_output";

/// Keys whose text is an identifier or one of a few words, in any API.
pub(super) const STRUCTURAL: &str = "\
call_id finish_reason id item_id model object response_id role service_tier status stop_reason \
system_fingerprint tool_use_id type";

/// The same, and parts of schemas, where they are words of the dialect.
pub(super) const REPEATED: &str = "\
$ref $schema category const created_at custom_id description done_reason effort encoding enum \
finishReason format media_type mimeType mime_type modelVersion native_finish_reason outcome \
pattern phase previous_response_id probability provider reasoning_effort responseId server_label \
title toolName tool_name truncation";

/// Keys of the responses API whose text is said by a model or a tool.
pub(super) const SPEECH: &str = "\
arguments code content delta input logs message output partial_image_b64 query reasoning refusal \
summary text thinking token transcript";

/// Keys of parts that an answer repeats from its request.
pub(super) const SNAPSHOT: &str = "\
headers input_schema instructions json_schema metadata parameters response_format safetyRatings \
schema tools";
